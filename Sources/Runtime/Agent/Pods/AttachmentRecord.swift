import Addressing
import CNI
import KubeAPI
import Plan

/// What is kept of an attachment: enough to plan it again, and to take it down without the pod.
struct AttachmentRecord: Hashable {
    var attachment: Plan.Attachment
    /// Where the runtime said the pod's namespace is; it may mean nothing here.
    var namespacePath: String
    /// `K8S_POD_NAMESPACE/K8S_POD_NAME`, for people; empty when the runtime did not say.
    var pod: String
    /// `K8S_POD_UID`; empty when the runtime did not say.
    var uid = ""

    /// - Parameter network: of the CNI configuration.
    init(attachment: Plan.Attachment, network: String, namespacePath: String, pod: String, uid: String = "") {
        self.attachment = attachment
        self.attachment.network = network
        (self.namespacePath, self.pod, self.uid) = (namespacePath, pod, uid)
    }

    /// Whose it is, in the words that are there: the pod's name, or what the runtime calls it.
    var holder: String { pod.isEmpty ? attachment.id.description : pod }
}

extension AttachmentRecord {
    /// Whom policies know it as; `nil` when the runtime did not say which pod it is, or when it is none of Kubernetes'.
    var tenant: PolicyTenant? {
        let names = pod.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard names.count == 2, !names.contains("") else { return nil }
        let key = ObjectKey(Pod.resource.kind, namespace: names[0], name: names[1])
        return PolicyTenant(id: attachment.id, pod: key, uid: uid, addresses: attachment.addresses)
    }

    /// The record's file, one line of JSON.
    var bytes: [UInt8] {
        var document: SmallJSON = [
            "container": .string(attachment.id.container),
            "interface": .string(attachment.id.interface),
            "addresses": .array(attachment.addresses.map { .string($0.description) }),
            "mtu": .number("\(attachment.mtu)"),
            "network": .string(attachment.network),
            "namespace": .string(namespacePath),
            "pod": .string(pod),
        ]
        if !uid.isEmpty { document["uid"] = .string(uid) }
        document["mac"] = attachment.askedMAC.map { .string($0.description) }
        if !attachment.ports.isEmpty { document["portMappings"] = .array(attachment.ports.map(\.json)) }
        if attachment.bandwidth != Bandwidth() { document["bandwidth"] = attachment.bandwidth.json }
        if case .ranges(let ranges) = attachment.reach {
            document["ranges"] = .array(ranges.map { .string($0.description) })
        }
        if attachment.isBridged {
            document["bridgedRanges"] = .array(attachment.bridgedRanges.map { .string($0.description) })
        }
        if !attachment.settings.isEmpty {
            let settings = attachment.settings.sorted { $0.key < $1.key }
            document["sysctl"] = .object(settings.map { SmallJSON.Member($0.key, .string($0.value)) })
        }
        return document.bytes + [UInt8(ascii: "\n")]
    }

    /// `nil` for what is no record of this release.
    init?(bytes: [UInt8]) {
        guard let document = try? SmallJSON(reading: bytes), let container = document["container"]?.string,
            let interface = document["interface"]?.string, let mtu = document["mtu"]?.integer,
            let texts = document["addresses"]?.array
        else { return nil }
        let addresses = texts.compactMap { $0.string.flatMap(IPAddress.init) }
        guard addresses.count == texts.count, !addresses.isEmpty, mtu > 0,
            let name = try? CNI.Attachment(containerID: container, interface: interface)
        else { return nil }
        let mac = document["mac"].map { $0.string.flatMap(MACAddress.init) }
        if case .some(nil) = mac { return nil }
        var attachment = Plan.Attachment(id: Plan.Attachment.ID(name), addresses: addresses, mtu: mtu, mac: mac ?? nil)
        do {
            if let ports = document["portMappings"] { attachment.ports = try [PortMapping](ports, "portMappings") }
            if let bandwidth = document["bandwidth"] { attachment.bandwidth = try Bandwidth(bandwidth, "bandwidth") }
        } catch {
            return nil
        }
        if let ranges = document["ranges"] {
            guard let prefixes = Self.prefixes(ranges) else { return nil }
            attachment.reach = .ranges(prefixes)
        }
        if let ranges = document["bridgedRanges"] {
            guard let prefixes = Self.prefixes(ranges) else { return nil }
            attachment.bridgedRanges = prefixes
        }
        if let settings = document["sysctl"] {
            guard let members = settings.members, members.allSatisfy({ $0.value.string != nil }) else { return nil }
            for member in members { attachment.settings[member.name] = member.value.string }
        }
        self.init(
            attachment: attachment,
            network: document["network"]?.string ?? "", namespacePath: document["namespace"]?.string ?? "",
            pod: document["pod"]?.string ?? "", uid: document["uid"]?.string ?? "")
    }

    private static func prefixes(_ value: SmallJSON) -> [IPPrefix]? {
        guard let texts = value.array else { return nil }
        let prefixes = texts.compactMap { $0.string.flatMap(IPPrefix.init) }
        return prefixes.count == texts.count ? prefixes : nil
    }
}
