extension AttachmentResult {
    /// Reads a result of any version we speak. Fields of other plugins that we do not know are not kept here; they stay in
    /// ``NetworkConfiguration/document``.
    public init(json document: SmallJSON) throws(Failure) {
        guard document.members != nil else { throw Self.bad("the result", document) }
        self.init()
        for entry in try Self.list("interfaces", of: document) { interfaces.append(try Interface(json: entry)) }
        for entry in try Self.list("ips", of: document) { ips.append(try IP(json: entry)) }
        for entry in try Self.list("routes", of: document) { routes.append(try Route(json: entry)) }
        if let names = document["dns"] { dns = try DNS(json: names) }
        for ip in ips {
            guard let index = ip.interface else { continue }
            guard interfaces.indices.contains(index) else { throw Self.bad("ips: interface", .number(String(index))) }
        }
    }

    fileprivate static func bad(_ place: String, _ value: SmallJSON?) -> Failure {
        Failure(
            .badConfiguration, "\(place) is \(value.map(\.description) ?? "missing")",
            details: "see the result type of the CNI specification")
    }

    fileprivate static func list(_ name: String, of document: SmallJSON) throws(Failure) -> [SmallJSON] {
        switch document[name] {
        case nil, .null: return []
        case .array(let list): return list
        case let other?: throw bad(name, other)
        }
    }

    fileprivate static func texts(_ name: String, of document: SmallJSON) throws(Failure) -> [String] {
        let list = try list(name, of: document)
        let texts = list.compactMap(\.string)
        guard texts.count == list.count else { throw bad(name, .array(list)) }
        return texts
    }
}

extension AttachmentResult.Interface {
    fileprivate init(json document: SmallJSON) throws(Failure) {
        guard let name = document["name"]?.string else { throw AttachmentResult.bad("interfaces: name", document["name"]) }
        self.init(
            name: name, mac: document["mac"]?.string, mtu: document["mtu"]?.integer, sandbox: document["sandbox"]?.string)
    }
}

extension AttachmentResult.IP {
    fileprivate init(json document: SmallJSON) throws(Failure) {
        guard let address = document["address"]?.string else { throw AttachmentResult.bad("ips: address", document["address"]) }
        self.init(address: address, gateway: document["gateway"]?.string, interface: document["interface"]?.integer)
    }
}

extension AttachmentResult.Route {
    fileprivate init(json document: SmallJSON) throws(Failure) {
        guard let destination = document["dst"]?.string else { throw AttachmentResult.bad("routes: dst", document["dst"]) }
        self.init(destination: destination, gateway: document["gw"]?.string)
        mtu = document["mtu"]?.integer
        advmss = document["advmss"]?.integer
        priority = document["priority"]?.integer
        table = document["table"]?.integer
        scope = document["scope"]?.integer
    }
}

extension AttachmentResult.DNS {
    init(json document: SmallJSON) throws(Failure) {
        self.init(
            nameservers: try AttachmentResult.texts("nameservers", of: document), domain: document["domain"]?.string,
            search: try AttachmentResult.texts("search", of: document),
            options: try AttachmentResult.texts("options", of: document))
    }
}
