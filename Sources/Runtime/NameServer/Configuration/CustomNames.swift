public import DNS

/// Names that people add to those of the cluster: lines of hosts, and zones.
///
/// A record whose name is inside a zone that is there anyway, such as the cluster's, stands beside what that zone has: sets of
/// one name and type are one set, so custom names add and never hide. All others are served from zones of their own.
public struct CustomNames: Hashable, Sendable {
    public var hosts: Hosts
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

    public init(hosts: Hosts = Hosts(), zones: [CustomZone] = []) { (self.hosts, self.zones) = (hosts, zones) }

    /// The source under which records stand in zones of others.
    public static let source = Hosts.source

    public var isEmpty: Bool { hosts.isEmpty && zones.isEmpty }
}

extension CustomNames {
    /// Puts the names into zones, in the place of those that were put there before.
    ///
    /// It is to be called again when a zone of others has come or gone, with the same names as both.
    ///
    /// - Parameter old: what was put there last; `nil` the first time.
    public func apply(to zones: inout Zones, insteadOf old: CustomNames?) {
        zones.remove(Set(old?.zones.map(\.apex) ?? []).filter { zones[$0]?.isCustom ?? false })
        var added: [DomainName: [Record]] = [:]
        var own: [DomainName: Zone] = [:]
        for zone in self.zones {
            // A zone inside one of others, or the same, is a part of it.
            if zones.zone(of: zone.apex) != nil {
                for record in zone.records where record.type != .soa || record.name != zone.apex {
                    if let home = zones.zone(of: record.name) { added[home.apex, default: []].append(record) }
                }
            } else if own[zone.apex] == nil {
                own[zone.apex] = Zone(zone)
            }
        }
        zones.set(own.values)
        zones.hosts = hosts
        added.merge(zones.enclosedHosts) { $0 + $1 }
        let changed = zones.unordered.compactMap { zone -> Zone? in
            var changed = zone
            guard added[zone.apex] != nil || zone.has(Self.source) else { return nil }
            changed.replace(Self.source, with: ZoneContent(added[zone.apex] ?? []))
            return changed
        }
        if !changed.isEmpty { zones.set(changed) }
    }
}

extension Zone {
    fileprivate static let zoneSource = "names.yaml zone"

    /// Made from what people wrote, and for nothing else.
    fileprivate var isCustom: Bool { has(Self.zoneSource) }

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
        self.init(
            custom.apex, authority: authority ?? StartOfAuthority(usualOf: custom.apex), nameServers: [], ttl: ttl,
            passesOn: custom.passesOn)
        replace(Self.zoneSource, with: ZoneContent(records))
    }
}
