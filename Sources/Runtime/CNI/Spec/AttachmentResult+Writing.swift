extension AttachmentResult {
    /// The document of a version: before 1.0.0 every address says its family, before 1.1.0 nothing says an MTU.
    public func json(_ version: SpecVersion) -> SmallJSON {
        var document: SmallJSON = ["cniVersion": .string(version.rawValue)]
        if !interfaces.isEmpty { document["interfaces"] = .array(interfaces.map { $0.json(version) }) }
        if !ips.isEmpty { document["ips"] = .array(ips.map { $0.json(version) }) }
        if !routes.isEmpty { document["routes"] = .array(routes.map { $0.json(version) }) }
        if dns != DNS() { document["dns"] = dns.json }
        return document
    }
}

extension AttachmentResult {
    /// The document of a plugin that is not the first of its chain: the previous result with ours behind it.
    ///
    /// A plugin must hand on what it was given (spec §2, ADD), also fields and types of address that are not known here: so the
    /// document is kept, and not what we read of it. Our addresses count their interface behind the ones that were there.
    ///
    /// - Parameter previous: `prevResult` of the configuration, in the version of the call; `nil` is none.
    public func json(_ version: SpecVersion, after previous: SmallJSON?) -> SmallJSON {
        guard var document = previous, document.members != nil else { return json(version) }
        var own = self
        let offset = document["interfaces"]?.array?.count ?? 0
        for index in own.ips.indices { own.ips[index].interface? += offset }
        document["cniVersion"] = .string(version.rawValue)
        for member in own.json(version).members ?? [] {
            if let list = member.value.array {
                document[member.name] = .array((document[member.name]?.array ?? []) + list)
            } else if document[member.name] == nil {
                document[member.name] = member.value
            }
        }
        return document
    }
}

extension AttachmentResult.Interface {
    fileprivate func json(_ version: SpecVersion) -> SmallJSON {
        var document: SmallJSON = ["name": .string(name)]
        document["mac"] = mac.map(SmallJSON.string)
        if version >= .v1_1_0 { document["mtu"] = mtu.map { .number(String($0)) } }
        document["sandbox"] = sandbox.map(SmallJSON.string)
        return document
    }
}

extension AttachmentResult.IP {
    fileprivate func json(_ version: SpecVersion) -> SmallJSON {
        var document: SmallJSON = [:]
        if version < .v1_0_0 { document["version"] = address.contains(":") ? "6" : "4" }
        document["address"] = .string(address)
        document["gateway"] = gateway.map(SmallJSON.string)
        document["interface"] = interface.map { .number(String($0)) }
        return document
    }
}

extension AttachmentResult.Route {
    fileprivate func json(_ version: SpecVersion) -> SmallJSON {
        var document: SmallJSON = ["dst": .string(destination)]
        document["gw"] = gateway.map(SmallJSON.string)
        guard version >= .v1_1_0 else { return document }
        for (name, value) in [("mtu", mtu), ("advmss", advmss), ("priority", priority), ("table", table), ("scope", scope)] {
            document[name] = value.map { .number(String($0)) }
        }
        return document
    }
}

extension AttachmentResult.DNS {
    fileprivate var json: SmallJSON {
        var document: SmallJSON = [:]
        for (name, list) in [("nameservers", nameservers), ("search", search), ("options", options)] where !list.isEmpty {
            document[name] = .array(list.map(SmallJSON.string))
        }
        document["domain"] = domain.map(SmallJSON.string)
        return document
    }
}
