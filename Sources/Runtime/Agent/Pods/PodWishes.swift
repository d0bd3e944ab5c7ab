import Addressing
import CNI

/// What a pod asks for beside a network, by the capabilities of the configuration or by arguments.
///
/// | wish | `runtimeConfig` | `args.cni` | `CNI_ARGS` |
/// |---|---|---|---|
/// | addresses, at most one of each range | `ips` | `ips` | `IP`, with commas |
/// | the MAC of its end | `mac` | `mac` | `MAC` |
///
/// What stands further left counts. An address may carry the length of a prefix, as host-local's do: a pod's own is always whole.
struct PodWishes: Hashable, Sendable {
    var addresses: [IPAddress] = []
    var mac: MACAddress?
}

extension PodWishes {
    /// - Throws: code 7, with the key and what is wrong with its value.
    init(_ invocation: Invocation) throws(Failure) {
        let configuration = invocation.configuration
        addresses = try Self.addresses(configuration, invocation.arguments)
        mac = try Self.mac(configuration, invocation.arguments)
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
        _ configuration: NetworkConfiguration, _ arguments: [String: String]
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
        _ configuration: NetworkConfiguration, _ arguments: [String: String]
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
