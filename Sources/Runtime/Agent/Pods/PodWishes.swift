import Addressing
import CNI
import Plan

/// What a pod asks for beside a network, by the capabilities of the configuration or by arguments.
///
/// | wish | `runtimeConfig` | `args.cni` | `CNI_ARGS` |
/// |---|---|---|---|
/// | addresses, at most one of each range | `ips` | `ips` | `IP`, with commas |
/// | the MAC of its end | `mac` | `mac` | `MAC` |
///
/// | ports of the node | `portMappings` | – | – |
/// | how fast | `bandwidth` | – | – |
///
/// And by keys of the configuration itself: `sysctl`, as the reference plugin `tuning` has it; `defaultRoute` (true or false), where
/// the pod's first interface is not the one that should have it; `routes`, a list of ranges, for an interface without it.
///
/// What stands further left counts. An address may carry the length of a prefix, as host-local's do: a pod's own is always whole.
struct PodWishes: Hashable, Sendable {
    var addresses: [IPAddress] = []
    var mac: MACAddress?
    var ports: [PortMapping] = []
    var bandwidth = Bandwidth()
    /// Whether the default route goes by this interface; `nil`: when it is the first one.
    var isDefault: Bool?
    /// What goes by an interface without the default route; `nil`: the node's own ranges.
    var routes: [IPPrefix]?
    /// By path below `/proc/sys`.
    var settings: [String: String] = [:]
}

extension PodWishes {
    /// - Throws: code 7, with the key and what is wrong with its value; code 2 for a key that asks for what we do not do.
    init(_ invocation: Invocation) throws(Failure) {
        let configuration = invocation.configuration
        if let plugin = configuration.ipam, plugin != .null, plugin != [:] {
            throw Failure(
                .unsupportedField, "“ipam” is \(plugin), and no address plugin is called here",
                details: "the agent gives addresses of the node's ranges: leave ipam out, and ask for one by “ips”")
        }
        addresses = try Self.addresses(configuration, invocation.arguments)
        mac = try Self.mac(configuration, invocation.arguments)
        if let (place, value) = Self.value("portMappings", configuration) {
            ports = try [PortMapping](value, place)
        }
        if let (place, value) = Self.value("bandwidth", configuration) {
            bandwidth = try Bandwidth(value, place)
        }
        isDefault = try Self.isDefault(configuration)
        routes = try Self.routes(configuration)
        settings = try Self.settings(configuration, invocation.attachment?.interface ?? "")
    }

    /// A plugin before us in the chain may have made the default route already.
    private static func isDefault(_ configuration: NetworkConfiguration) throws(Failure) -> Bool? {
        if let value = configuration.document["defaultRoute"] {
            guard let isDefault = value.bool else { throw malformed("defaultRoute", value, "it is true or false") }
            return isDefault
        }
        let earlier = try configuration.previousResult?.routes ?? []
        return earlier.contains { IPPrefix($0.destination)?.length == 0 } ? false : nil
    }

    private static func routes(_ configuration: NetworkConfiguration) throws(Failure) -> [IPPrefix]? {
        guard let value = configuration.document["routes"] else { return nil }
        let rule = "it is a list of ranges such as 192.0.2.0/24"
        guard let list = value.array else { throw malformed("routes", value, rule) }
        var ranges: [IPPrefix] = []
        for entry in list {
            guard let range = entry.string.flatMap(IPPrefix.init) else { throw malformed("routes", entry, rule) }
            ranges.append(range)
        }
        return ranges
    }

    /// `sysctl`: `{"net.ipv4.conf.IFNAME.rp_filter": "2"}`, with dots or slashes; `IFNAME` is the pod's end.
    ///
    /// Of the network alone: a pod's namespace has no others.
    private static func settings(
        _ configuration: NetworkConfiguration, _ interface: String
    ) throws(Failure) -> [String: String] {
        guard let value = configuration.document["sysctl"] else { return [:] }
        guard let members = value.members else { throw malformed("sysctl", value, "it is an object of names and values") }
        var settings: [String: String] = [:]
        for member in members {
            let separator: Character = member.name.contains("/") ? "/" : "."
            let parts = member.name.split(separator: separator, omittingEmptySubsequences: false).map {
                $0 == "IFNAME" ? interface : String($0)
            }
            guard parts.count > 2, parts[0] == "net", parts.allSatisfy({ $0 != "" && $0 != "." && $0 != ".." }) else {
                throw malformed(
                    "sysctl", .string(member.name), "a pod's settings begin with net., as net.ipv4.conf.IFNAME.rp_filter")
            }
            guard let text = member.value.string, !text.isEmpty, !text.utf8.contains(where: { $0 < 0x20 && $0 != 9 }) else {
                throw malformed("sysctl.\(member.name)", member.value, "it is a value in quotes")
            }
            settings[parts.joined(separator: "/")] = text
        }
        return settings
    }

    /// The value of a capability, or of the argument of that name, and where it stands.
    private static func value(_ name: String, _ configuration: NetworkConfiguration) -> (place: String, value: SmallJSON)? {
        let places = [
            ("runtimeConfig.\(name)", configuration.runtimeConfiguration?[name]),
            ("args.cni.\(name)", configuration.document["args"]?["cni"]?[name]),
        ]
        for (place, value) in places {
            if let value, value != .null { return (place, value) }
        }
        return nil
    }

    private static func addresses(
        _ configuration: NetworkConfiguration, _ arguments: Arguments
    ) throws(Failure) -> [IPAddress] {
        guard let (place, value) = value("ips", configuration) else {
            var addresses: [IPAddress] = []
            for text in arguments["IP"]?.split(separator: ",") ?? [] {
                addresses.append(try address(String(text), "IP in CNI_ARGS"))
            }
            return addresses
        }
        guard let list = value.array else { throw malformed(place, value, "it is a list of addresses") }
        var addresses: [IPAddress] = []
        for entry in list {
            guard let text = entry.string else { throw malformed(place, entry, "it is a list of addresses") }
            addresses.append(try address(text, place))
        }
        return addresses
    }

    private static func address(_ text: String, _ place: String) throws(Failure) -> IPAddress {
        guard let address = InterfaceAddress(text)?.address ?? IPAddress(text) else {
            throw malformed(place, .string(text), "it is an address such as 192.0.2.7 or 2001:db8::7")
        }
        return address
    }

    private static func mac(
        _ configuration: NetworkConfiguration, _ arguments: Arguments
    ) throws(Failure) -> MACAddress? {
        let found = value("mac", configuration) ?? arguments["MAC"].map { ("MAC in CNI_ARGS", .string($0)) }
        guard let (place, value) = found, value != "" else { return nil }
        guard let mac = value.string.flatMap(MACAddress.init) else {
            throw malformed(place, value, "it is six bytes such as 02:00:00:00:00:01")
        }
        // The lowest bit of the first byte says “to many”: the kernel takes such an address for no link.
        guard mac.rawValue >> 40 & 1 == 0, mac != .zero else {
            throw malformed(place, value, "a link's own address is neither zero nor one for many")
        }
        return mac
    }

    static func malformed(_ place: String, _ value: SmallJSON, _ rule: String) -> Failure {
        Failure(.badConfiguration, "“\(place)” is \(value)", details: rule)
    }
}
