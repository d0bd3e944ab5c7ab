import Addressing
import DNS

/// The rules of RFC 1034 §4.3.2 and RFC 4592 over a plain list of records, read as they are written: slow, and hard to get wrong.
struct SlowZones {
    struct Content {
        let apex: DomainName
        var records: [Record]
    }

    var zones: [Content]

    /// The lines of an answer as ``Asking/lines(_:edns:)`` has them, without additionals.
    func lines(_ question: Question) -> [String] {
        var name = question.name
        var lines: [String] = []
        for _ in 0...16 {
            guard let zone = zones.filter({ name.isInside($0.apex) }).max(by: { $0.apex.labelCount < $1.apex.labelCount }) else {
                return lines.isEmpty ? ["REFUSED"] : ["NOERROR"] + lines
            }
            if let cut = cut(zone, name, question.type) {
                let servers = sorted(at(zone, cut, .ns))
                return ["NOERROR"] + lines + servers.map { "~ \(Record(cut, $0.data, ttl: $0.ttl))" }
            }
            let source: DomainName
            if exists(zone, name) {
                source = name
            } else if let wildcard = closestEncloser(zone, name).child("*"), exists(zone, wildcard) {
                source = wildcard
            } else {
                return ["NXDOMAIN"] + lines + soa(zone)
            }
            let found = at(zone, source, question.type)
            if !found.isEmpty {
                return ["NOERROR"] + lines + sorted(found).map { "= \(Record(name, $0.data, ttl: $0.ttl))" }
            }
            let others = zone.records.filter { $0.name == source && $0.type != .cname }
            guard others.isEmpty, let alias = at(zone, source, .cname).first, case .cname(let target) = alias.data else {
                return ["NOERROR"] + lines + soa(zone)
            }
            lines.append("= \(Record(name, alias.data, ttl: alias.ttl))")
            name = target
        }
        return ["SERVFAIL"]
    }

    private func at(_ zone: Content, _ name: DomainName, _ type: RecordType) -> [Record] {
        let all = zone.records.filter { $0.name == name }
        // Data beside a CNAME wins.
        if type == .cname, all.contains(where: { $0.type != .cname }) { return [] }
        return all.filter { $0.type == type }
    }

    private func exists(_ zone: Content, _ name: DomainName) -> Bool { zone.records.contains { $0.name.isInside(name) } }

    private func closestEncloser(_ zone: Content, _ name: DomainName) -> DomainName {
        var name = name
        while !exists(zone, name), let parent = name.parent { name = parent }
        return name
    }

    /// The highest name between the apex and the name that is delegated.
    private func cut(_ zone: Content, _ name: DomainName, _ type: RecordType) -> DomainName? {
        var (candidate, found) = (name, nil as DomainName?)
        while candidate != zone.apex, let parent = candidate.parent {
            if !at(zone, candidate, .ns).isEmpty, candidate != name || type != .ds { found = candidate }
            candidate = parent
        }
        return found
    }

    private func soa(_ zone: Content) -> [String] {
        at(zone, zone.apex, .soa).map { "~ \(Record(zone.apex, $0.data, ttl: 3))" }
    }

    private func sorted(_ records: [Record]) -> [Record] {
        let distinct = Set(records.map(\.data))
        let ttl = records.map(\.ttl).min() ?? 0
        return distinct.map { Record(records[0].name, $0, ttl: ttl) }.sorted { "\($0.data)" < "\($1.data)" }
    }
}
