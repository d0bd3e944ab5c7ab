import Cluster
import DNS
import KubeAPI
import NameServer

extension CustomNames {
    /// Custom aliases at names that the cluster's objects have too: beside an alias nothing else may stand (RFC 2181 §10.1), so that one
    /// of the two is not served.
    func hiddenAliases(in zones: Zones) -> [Problem] {
        self.zones.flatMap(\.aliases).compactMap { alias in
            guard let zone = zones.zone(of: alias.name) else { return nil }
            for source in zone.sources(of: alias.name) {
                guard let object = Self.object(source) else { continue }
                let records = (zone.content(source)?.records ?? []).filter { $0.name == alias.name }
                guard !records.isEmpty else { continue }
                let what =
                    records.contains { $0.type != .cname }
                    ? "the alias \(alias.name) is not told: the cluster's records at this name are"
                    : "the alias \(alias.name) is told in place of the one that spec.externalName asks for"
                return Problem(.nameAliasHidden, object, "\(alias.place): \(what)")
            }
            return nil
        }
    }

    /// Whose a source of the cluster's names is: `service shop/web`.
    private static func object(_ source: String) -> ObjectKey? {
        let words = source.split(separator: " ")
        guard words.count == 2, case let parts = words[1].split(separator: "/").map(String.init), parts.count == 2 else {
            return nil
        }
        switch words[0] {
        case "service": return ObjectKey(Service.resource.kind, namespace: parts[0], name: parts[1])
        case "pod": return ObjectKey(Pod.resource.kind, namespace: parts[0], name: parts[1])
        default: return nil
        }
    }
}
