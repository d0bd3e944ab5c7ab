internal import Addressing
internal import DNS

extension NameServerConfiguration {
    /// Reads a document.
    ///
    /// - Parameters:
    ///   - text: YAML; an empty one means everything as usual.
    ///   - file: what it is called in what is said of mistakes.
    ///   - readFile: what stands in a file that the document names.
    ///   - isShown: whether words of such a file may be repeated in what is said of its mistakes. Who writes the document may be somebody
    ///     who could not read the file.
    /// - Throws: every mistake there is, of many the first ones. Then nothing of the document should be used.
    public init(
        _ text: String, file: String = "names.yaml", readFile: (String) -> FollowedFile.Reading = { NamedFile.read($0).reading },
        isShown: @escaping (String) -> Bool = { _ in true }
    ) throws(NameServerConfigurationError) {
        self.init()
        let reader = ConfigurationReader(file: file, text: text, isShown: isShown)
        if let root = reader.document(text) { read(root, readFile) }
        if !reader.mistakes.isEmpty { throw NameServerConfigurationError(mistakes: reader.told) }
    }

    private mutating func read(_ root: ConfigurationField, _ readFile: (String) -> FollowedFile.Reading) {
        let fields = root.map([
            "clusterDomain", "listen", "ttl", "pods", "searchCollapse", "forward", "stubs", "hosts", "zones", "cache", "log",
            "rateLimit",
        ])
        clusterDomain =
            fields["clusterDomain"]?.value("a domain name of at most 150 characters, such as cluster.local,", Self.clusterDomain)
            ?? clusterDomain
        ttl = fields["ttl"]?.timeToLive ?? ttl
        pods = fields["pods"]?.choice(PodNames.self) ?? pods
        collapsesSearch = fields["searchCollapse"]?.flag ?? collapsesSearch
        if let field = fields["log"] { readLog(field) }
        listen = fields["listen"].map(Listen.init)
        if let field = fields["rateLimit"] { rateLimit = field.word == "false" ? nil : RateLimit(field) }
        if let field = fields["forward"] { forward.read(field) }
        if let field = fields["stubs"] { readStubs(field) }
        if let field = fields["hosts"] { custom.readHosts(field, readFile) }
        if let field = fields["zones"] { custom.readZones(field, clusterDomain, readFile) }
        if let field = fields["cache"] { cache.read(field) }
    }

    private mutating func readLog(_ field: ConfigurationField) {
        guard field.isMap else {
            log = field.choice(Log.self) ?? log
            return
        }
        let fields = field.map(["queries", "linesPerSecond"])
        log = field.needed("queries", fields)?.choice(Log.self) ?? log
        logRate = fields["linesPerSecond"]?.number(1...100_000) ?? logRate
    }

    private mutating func readStubs(_ field: ConfigurationField) {
        for stub in field.list {
            let fields = stub.map(["domain", "upstreams"])
            guard let domain = stub.needed("domain", fields)?.name, let list = stub.needed("upstreams", fields)?.list else {
                continue
            }
            if stubs.contains(where: { $0.domain == domain }) {
                stub.mistake("a second stub for \(domain); put its upstreams into the first")
            }
            stubs.append(ForwardingSettings.Stub(domain, list.compactMap(\.upstream)))
            if list.isEmpty { stub.mistake("a stub without upstreams; name one at least") }
        }
    }
}

extension ConfigurationField {
    fileprivate func needed(_ key: String, _ fields: [String: ConfigurationField]) -> ConfigurationField? {
        if let field = fields[key] { return field }
        if isMap { mistake("\(key) is missing") }
        return nil
    }

    fileprivate var upstream: Upstream? {
        value("an address such as 192.0.2.53, [2001:db8::53]:5353 or tcp://192.0.2.53", Upstream.init)
    }

    fileprivate var timeToLive: TimeToLive? {
        duration(.zero ... .seconds(604_800)).map { TimeToLive(seconds: UInt32(clamping: $0.components.seconds)) }
    }
}

// MARK: - Parts

extension NameServerConfiguration.Listen {
    fileprivate init(_ field: ConfigurationField) {
        let fields = field.map(["addresses", "port"])
        addresses = fields["addresses"]?.list.compactMap(\.address) ?? []
        port = fields["port"]?.number(1...65535).map { UInt16($0) } ?? 53
        line = field.keyLine ?? field.line
    }
}

extension NameServerConfiguration.RateLimit {
    fileprivate init(_ field: ConfigurationField) {
        self.init()
        let fields = field.map(["responsesPerSecond", "exempt"])
        responsesPerSecond = fields["responsesPerSecond"]?.number(1...1_000_000) ?? responsesPerSecond
        exempt = fields["exempt"]?.list.compactMap { $0.value("a prefix such as 192.0.2.0/24", IPPrefix.init) } ?? exempt
    }
}

extension NameServerConfiguration.Forward {
    fileprivate mutating func read(_ field: ConfigurationField) {
        let fields = field.map([
            "upstreams", "resolverFile", "policy", "tcpOnly", "trustAD", "randomCase", "timeout", "concurrency",
        ])
        if let file = fields["resolverFile"], let path = file.text {
            upstreams = .file(path)
            if !path.hasPrefix("/") { file.mistake("\"\(path)\" is no path from the root, such as /etc/resolv.conf") }
            if let chosen = fields["upstreams"] {
                chosen.mistake("upstreams are chosen, or a resolverFile names them: leave one out")
            }
        } else if let chosen = fields["upstreams"] {
            upstreams = .these(chosen.list.compactMap(\.upstream))
        }
        policy = fields["policy"]?.choice(ForwardingSettings.Order.self) ?? policy
        isTCPOnly = fields["tcpOnly"]?.flag ?? isTCPOnly
        isTrusted = fields["trustAD"]?.flag ?? isTrusted
        randomizesCase = fields["randomCase"]?.flag ?? randomizesCase
        patience = fields["timeout"]?.duration(.milliseconds(100) ... .seconds(30)) ?? patience
        mostUnderWay = fields["concurrency"]?.number(1...10000) ?? mostUnderWay
    }
}

extension MemorySettings {
    fileprivate mutating func read(_ field: ConfigurationField) {
        let fields = field.map(["size", "answers", "denials", "failures", "stale", "prefetch"])
        byteLimit = fields["size"]?.size(0...(1 << 30)) ?? byteLimit
        if let field = fields["answers"] { answers = Self.range(field, answers) }
        if let field = fields["denials"] { denials = Self.range(field, denials) }
        // RFC 9520 §3.2: five minutes at most; a name that is mended should not wait even that long.
        failures = fields["failures"]?.duration(.seconds(1) ... .seconds(5)) ?? failures
        stale = fields["stale"]?.duration(.zero ... .seconds(3 * 86400)) ?? stale
        if let field = fields["prefetch"] {
            if field.word == "false" {
                prefetch = nil
            } else {
                let fields = field.map(["uses", "percentage"])
                let usual = Prefetch()
                prefetch = Prefetch(
                    leastUses: fields["uses"]?.number(1...1_000_000) ?? usual.leastUses,
                    percentage: fields["percentage"]?.number(1...90) ?? usual.percentage)
            }
        }
    }

    private static func range(_ field: ConfigurationField, _ usual: ClosedRange<Duration>) -> ClosedRange<Duration> {
        let fields = field.map(["floor", "ceiling"])
        let limits: ClosedRange<Duration> = .zero ... .seconds(7 * 86400)
        let floor = fields["floor"]?.duration(limits) ?? usual.lowerBound
        let ceiling = fields["ceiling"]?.duration(limits) ?? max(usual.upperBound, floor)
        guard floor <= ceiling else {
            field.mistake("the floor is above the ceiling")
            return usual
        }
        return floor...ceiling
    }
}

// MARK: - Custom names

extension CustomNames {
    fileprivate mutating func readHosts(_ field: ConfigurationField, _ readFile: (String) -> FollowedFile.Reading) {
        let fields = field.map(["entries", "text", "file", "ttl"])
        var writer = HostsWriter(ttl: fields["ttl"]?.timeToLive ?? 3600)
        if let entries = fields["entries"] {
            for (key, value) in entries.pairs("names and their addresses") {
                guard let name = key.name else { continue }
                for address in value.list.compactMap(\.address) { writer.add(address, [name]) }
            }
        }
        if let text = fields["text"], let content = text.text { text.report(writer.read(content), of: content) }
        if let file = fields["file"], let content = file.content(readFile) { file.report(writer.read(content), of: nil) }
        hosts = writer.finished()
    }

    fileprivate mutating func readZones(
        _ field: ConfigurationField, _ clusterDomain: DomainName, _ readFile: (String) -> FollowedFile.Reading
    ) {
        for zone in field.list {
            let fields = zone.map(["name", "text", "file", "ttl", "passOn"])
            guard let apex = zone.needed("name", fields)?.name else { continue }
            guard let source = fields["text"] ?? fields["file"] else {
                zone.mistake("text or file is missing: the zone's records")
                continue
            }
            if fields["text"] != nil, let file = fields["file"] {
                file.mistake("records stand in text or in a file: leave one out")
            }
            let isInline = fields["text"] != nil
            guard let text = isInline ? source.text : source.content(readFile) else { continue }
            if zones.contains(where: { $0.apex == apex }) {
                zone.mistake("a second zone \(apex); put its records into the first")
            }
            let read = ZoneFile(text, of: apex, ttl: fields["ttl"]?.timeToLive ?? 3600)
            source.report(read.faults, of: isInline ? text : nil)
            if apex.isInside(clusterDomain), read.records.contains(where: { $0.type == .soa }) {
                source.mistake("\(apex) is a part of \(clusterDomain), which has an SOA record already: leave this one out")
            }
            var custom = CustomZone(apex, read.records, passesOn: fields["passOn"]?.flag ?? false)
            custom.aliases = read.aliases.map { alias in
                let spot = source.reader.place(in: source, line: alias.line, column: 1, of: text)
                return CustomZone.Alias(
                    name: alias.name,
                    place: isInline ? "\(source.reader.file):\(spot.line):\(spot.column)" : "\(source.word ?? ""):\(alias.line)")
            }
            zones.append(custom)
        }
    }
}

extension ConfigurationField {
    /// What stands in the file that is named here.
    fileprivate func content(_ readFile: (String) -> FollowedFile.Reading) -> String? {
        guard let path = text else { return nil }
        switch readFile(path) {
        case .text(let text): return text
        case .unreadable(let code):
            mistake("read \(path): \(ErrorText.of(code))")
            return nil
        }
    }

    /// The mistakes inside a text: at their places in this document, or in the file that was read.
    ///
    /// - Parameter text: what stands here; `nil`: it is the name of a file.
    fileprivate func report(_ faults: TextFaults, of text: String?) {
        let rest = faults.next.map { ZoneFile.Fault(line: $0.line, column: $0.column, TextFaults.rest(faults.more)) }
        for fault in faults.first + (rest.map { [$0] } ?? []) {
            if let text {
                let (line, column) = reader.place(in: self, line: fault.line, column: fault.column, of: text)
                reader.mistake(path, line: line, column: column, fault.reason)
            } else {
                reportInFile(fault)
            }
        }
    }

    private func reportInFile(_ fault: ZoneFile.Fault) {
        let path = word ?? ""
        let place = "\(path):\(fault.line):\(fault.column)"
        if reader.isShown(path) {
            mistake("\(place): \(fault.reason)")
        } else if reader.hide(path) {
            mistake(
                "\(place): the first mistake; what it is, is told of files that stand beside this document, or in its ConfigMap")
        }
    }
}
