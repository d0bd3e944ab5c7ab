/// The configuration of one plugin as the runtime writes it to our standard input.
public struct NetworkConfiguration: Hashable, Sendable {
    public var version: SpecVersion
    /// The name of the network.
    public var name: String
    /// The name of the plugin's executable.
    public var type: String
    /// The whole document, with every field that is not ours.
    public var document: SmallJSON

    /// Where the agent of this node listens, and where deletions wait for it, when the configuration says nothing else.
    public static let defaultAgentSocket = "/run/tulle/cni.sock"
    public static let defaultQueueDirectory = "/run/tulle/deletions"

    /// More than any configuration has; a list of a thousand attachments is 100 kB.
    public static let sizeLimit = 4 << 20
}

extension NetworkConfiguration {
    public init(reading input: [UInt8]) throws(Failure) {
        let document: SmallJSON
        do {
            document = try SmallJSON(reading: input)
        } catch {
            let sight = input.isEmpty ? "nothing came on standard input" : "\(error)"
            throw Failure(.undecodable, "the network configuration is no JSON document", details: sight)
        }
        try self.init(document)
    }

    public init(_ document: SmallJSON) throws(Failure) {
        guard document.members != nil else { throw Failure(.undecodable, "the network configuration is no JSON object") }
        guard document["type"] != nil || document["plugins"]?.array == nil else {
            throw Failure(
                .badConfiguration, "this is a list of plugins (.conflist), and a plugin gets its own entry alone",
                details: "take the object out of “plugins” and give it the list's cniVersion and name, as a runtime does")
        }
        version = try Self.version(of: document)
        name = try Self.text("name", of: document)
        type = try Self.text("type", of: document)
        if let fault = Attachment.fault(containerID: name) {
            throw Failure(.badConfiguration, "the network's name “\(name)” \(fault)", details: Attachment.containerRule)
        }
        self.document = document
        _ = try agentSocket
        _ = try queueDirectory
    }

    /// `prevResult`: what the plugin before us answered to ADD, or, on DEL and CHECK, what the whole chain did. Read when it is
    /// asked for: a DEL must not fail because of it.
    public var previousResult: AttachmentResult? {
        get throws(Failure) {
            switch document["prevResult"] {
            case nil, .null: return nil
            case let result?: return try AttachmentResult(json: result)
            }
        }
    }

    /// ``previousResult`` as it came, with what is not known here; `nil` when there is none.
    ///
    /// - Throws: when it is no result.
    public var previousDocument: SmallJSON? {
        get throws(Failure) { try previousResult == nil ? nil : document["prevResult"] }
    }

    /// `runtimeConfig`: what the runtime fills in for our capabilities.
    public var runtimeConfiguration: SmallJSON? { document["runtimeConfig"] }
    public var capabilities: SmallJSON? { document["capabilities"] }
    public var ipam: SmallJSON? { document["ipam"] }

    /// `dns`: what the result says of names, where no plugin before us said it.
    public var dns: AttachmentResult.DNS {
        get throws(Failure) {
            guard let dns = document["dns"], dns != .null else { return AttachmentResult.DNS() }
            guard dns.members != nil else { throw Failure(.badConfiguration, "“dns” is \(dns)", details: "it is an object") }
            return try AttachmentResult.DNS(json: dns)
        }
    }

    /// The key `agentSocket`: several lab nodes on one machine have one each.
    public var agentSocket: String {
        get throws(Failure) { try path("agentSocket", default: Self.defaultAgentSocket) }
    }

    /// The key `queueDirectory`.
    public var queueDirectory: String {
        get throws(Failure) { try path("queueDirectory", default: Self.defaultQueueDirectory) }
    }

    /// The key `cni.dev/valid-attachments`, which the first text of the specification called `cni.dev/attachments`. Missing is
    /// an error, for an empty list means that everything goes; `null` is how libcni writes an empty list.
    func validAttachments() throws(Failure) -> [Attachment] {
        guard let list = Self.list(document["cni.dev/valid-attachments"] ?? document["cni.dev/attachments"]) else {
            throw Failure(.badConfiguration, "GC needs the list cni.dev/valid-attachments, and the configuration has none")
        }
        var attachments: [Attachment] = []
        for entry in list {
            guard let containerID = entry["containerID"]?.string, let interface = entry["ifname"]?.string else {
                throw Failure(
                    .badConfiguration, "cni.dev/valid-attachments holds \(entry)", details: "each has containerID and ifname")
            }
            attachments.append(try Attachment(containerID: containerID, interface: interface))
        }
        return attachments
    }
}

extension NetworkConfiguration {
    private static func list(_ value: SmallJSON?) -> [SmallJSON]? { value == .null ? [] : value?.array }

    private static func version(of document: SmallJSON) throws(Failure) -> SpecVersion {
        // A document without the key means 0.1.0 to the runtimes that wrote such.
        let text = document["cniVersion"]?.string ?? "0.1.0"
        guard let version = SpecVersion(rawValue: text) else {
            let spoken = SpecVersion.allCases.map(\.rawValue).joined(separator: ", ")
            throw Failure(.incompatibleVersion, "cniVersion \(text) is not spoken here", details: "spoken are \(spoken)")
        }
        return version
    }

    private static func text(_ key: String, of document: SmallJSON) throws(Failure) -> String {
        guard let text = document[key]?.string, !text.isEmpty else {
            throw Failure(.badConfiguration, "the network configuration has no “\(key)”")
        }
        return text
    }

    private func path(_ key: String, default path: String) throws(Failure) -> String {
        guard let value = document[key] else { return path }
        guard let path = value.string, path.hasPrefix("/"), !path.utf8.contains(0) else {
            throw Failure(.badConfiguration, "“\(key)” is \(value)", details: "it is an absolute path")
        }
        return path
    }
}
