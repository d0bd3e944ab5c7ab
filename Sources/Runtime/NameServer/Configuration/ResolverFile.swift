internal import Addressing
public import DNS

/// What a resolver's file says (`/etc/resolv.conf`, resolv.conf(5)).
public struct ResolverFile: Hashable, Sendable {
    /// In the order of the file.
    public var nameServers: [Upstream] = []
    /// Of several `search` and `domain` lines the last.
    public var search: [DomainName] = []
    /// In the order of the file, such as `ndots:5`, unknown ones too.
    public var options: [String] = []
    /// Lines that say nothing that is understood; everything else counts all the same, as the C library has it.
    public var faults: [Fault] = []

    public struct Fault: Hashable, Sendable {
        /// From 1.
        public var line: Int
        public var text: String
        public var reason: String
    }

    public init() {}

    /// Reads the text of such a file. It never fails: a resolver works with what it understands.
    public init(_ text: String) {
        for (index, line) in text.lines.enumerated() {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
            guard let keyword = words.first, !keyword.hasPrefix("#"), !keyword.hasPrefix(";") else { continue }
            read(keyword, words.dropFirst().prefix { !$0.hasPrefix("#") && !$0.hasPrefix(";") }, index + 1, String(line))
        }
    }

    private mutating func read(_ keyword: String, _ words: ArraySlice<String>, _ line: Int, _ text: String) {
        func fault(_ reason: String) { faults.append(Fault(line: line, text: text, reason: reason)) }
        switch keyword {
        case "nameserver":
            // One address a line, of port 53 always.
            guard let word = words.first, let upstream = Upstream(word), upstream.address.port == 53, !upstream.isTCPOnly else {
                return fault("no address stands behind nameserver")
            }
            if !nameServers.contains(upstream) { nameServers.append(upstream) }
        case "search", "domain":
            search = []
            for word in keyword == "domain" ? words.prefix(1) : words {
                if let name = DomainName(word) { search.append(name) } else { fault("\(word) is no domain name") }
            }
        case "options": options += words
        case "sortlist": break
        default: fault("\(keyword) is unknown")
        }
    }

    /// What stands in the file, if it names somebody to ask: else what was known before should stay, and that be said.
    public init?(usable reading: FollowedFile.Reading) {
        guard case .text(let text) = reading else { return nil }
        self.init(text)
        if nameServers.isEmpty { return nil }
    }

    /// The number behind an option, such as `ndots`; `nil` when it is not there or has none.
    public func option(_ name: String) -> Int? {
        options.last { $0.hasPrefix(name + ":") }.flatMap { Int($0.dropFirst(name.count + 1)) }
    }

    public func has(_ option: String) -> Bool { options.contains(option) }

    /// How many dots make a name worth asking for as it is.
    public var dots: Int { min(max(option("ndots") ?? 1, 0), 15) }
}

extension ResolverFile {
    /// How upstreams are chosen and asked, as far as the file has a word on it.
    public func apply(to settings: inout ForwardingSettings) {
        settings.upstreams = nameServers
        // The C library's order, unless it is told to take turns.
        settings.order = has("rotate") ? .random : settings.order
        for index in settings.upstreams.indices {
            settings.upstreams[index].isTCPOnly = has("use-vc")
            settings.upstreams[index].isTrusted = has("trust-ad")
        }
    }
}
