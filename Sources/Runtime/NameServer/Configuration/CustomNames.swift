public import DNS

/// Names that people add to those of the cluster: lines of hosts, and zones.
///
/// A record whose name is inside a zone that is there anyway, such as the cluster's, stands beside what that zone has: sets of
/// one name and type are one set, so custom names add and never hide. All others are served from zones of their own.
public struct CustomNames: Hashable, Sendable {
    public var hosts: HostsFile
    /// TTL of hosts.
    public var ttl: TimeToLive
    public var zones: [CustomZone]

    public struct CustomZone: Hashable, Sendable {
        public var apex: DomainName
        public var records: [Record]
        /// Names that do not exist in it are asked for outside.
        public var passesOn: Bool
        /// The names of aliases among the records, and where they are written.
        public var aliases: [Alias] = []

        public struct Alias: Hashable, Sendable {
            public var name: DomainName
            /// `names.yaml:9:7`, or the file's name and the line there.
            public var place: String
        }

        public init(_ apex: DomainName, _ records: [Record], passesOn: Bool = false) {
            (self.apex, self.records, self.passesOn) = (apex, records, passesOn)
        }
    }

    public init(hosts: HostsFile = HostsFile(), ttl: TimeToLive = 3600, zones: [CustomZone] = []) {
        (self.hosts, self.ttl, self.zones) = (hosts, ttl, zones)
    }

    /// The source under which records stand in zones of others.
    public static let source = "names.yaml"

    public var isEmpty: Bool { hosts.lines.isEmpty && zones.isEmpty }
}

extension CustomNames {
    /// Puts the names into zones, in the place of those that were put there before.
    ///
    /// It is to be called again when a zone of others has come or gone, with the same names as both.
    ///
    /// - Parameter old: what was put there last; `nil` the first time.
    public func apply(to zones: inout Zones, insteadOf old: CustomNames?) {
        zones.remove(Set(old?.ownApexes ?? []).filter { zones[$0]?.isCustom ?? false })
        var added: [DomainName: [Record]] = [:]
        var apart: [DomainName: [Record]] = [:]
        for zone in self.zones {
            // A zone inside one of others, or the same, is a part of it.
            let isPart = zones.zone(of: zone.apex).map { !$0.isCustom } ?? false
            if isPart {
                for record in zone.records where record.type != .soa || record.name != zone.apex {
                    if let home = zones.zone(of: record.name) { added[home.apex, default: []].append(record) }
                }
            } else if zones[zone.apex] == nil {
                zones.set(Zone(zone))
            }
        }
        for record in hosts.records(ttl: ttl) + hosts.reverseRecords(ttl: ttl) {
            if let home = zones.zone(of: record.name), !home.isHost {
                added[home.apex, default: []].append(record)
            } else {
                apart[record.name, default: []].append(record)
            }
        }
        for zone in Array(zones.unordered) where !zone.isHost {
            var changed = zone
            changed.replace(Self.source, with: ZoneContent(added[zone.apex] ?? []))
            if changed.content(Self.source) != zone.content(Self.source) { zones.set(changed) }
        }
        zones.set(
            apart.map { name, records in
                // Where there is one already, what it has stays.
                var zone = zones[name] ?? Zone(host: name, ttl: records[0].ttl)
                let others = zone.content(Zone.hostSource)?.records ?? []
                zone.replace(Zone.hostSource, with: ZoneContent(others + records))
                return zone
            })
    }

    /// Apexes of the zones that may have been made for these names.
    private var ownApexes: [DomainName] {
        zones.map(\.apex) + hosts.records(ttl: ttl).map(\.name) + hosts.reverseRecords(ttl: ttl).map(\.name)
    }
}

extension Zone {
    fileprivate static let hostSource = "names.yaml hosts"
    fileprivate static let zoneSource = "names.yaml zone"

    /// Made from what people wrote, and for nothing else.
    fileprivate var isCustom: Bool { has(Self.zoneSource) || isHost }
    fileprivate var isHost: Bool { has(Self.hostSource) }

    fileprivate init(_ custom: CustomNames.CustomZone) {
        var (authority, ttl): (StartOfAuthority?, TimeToLive) = (nil, 3600)
        var records: [Record] = []
        for record in custom.records {
            if case .soa(let found) = record.data, record.name == custom.apex {
                (authority, ttl) = (found, record.ttl)
            } else {
                records.append(record)
            }
        }
        // RFC 1035 §3.3.11: a zone has a name server. It stands among the source's records, so the source is never empty.
        if !records.contains(where: { $0.type == .ns && $0.name == custom.apex }) {
            records.append(Record(custom.apex, .ns(authority?.primary ?? custom.apex), ttl: ttl))
        }
        self.init(custom.apex, authority: authority ?? .usual(custom.apex), nameServers: [], ttl: ttl, passesOn: custom.passesOn)
        replace(Self.zoneSource, with: ZoneContent(records))
    }

    /// A zone of one name: other names, also those below it, are asked for outside.
    fileprivate init(host name: DomainName, ttl: TimeToLive) {
        self.init(name, authority: .usual(name), nameServers: [name], ttl: ttl, passesOn: true)
    }
}

extension StartOfAuthority {
    fileprivate static func usual(_ apex: DomainName) -> StartOfAuthority {
        StartOfAuthority(primary: apex, mailbox: apex.child("hostmaster") ?? apex, serial: 1, minimum: 30)
    }
}
