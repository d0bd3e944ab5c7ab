import Addressing
import Cluster
import NFTables

/// Who has a front when several services ask for the same one: a cluster IP before an address from outside, then the first by name.
///
/// So it does not matter in which order they came, and nobody takes a service's own address away by naming it as external.
struct FrontClaims: Sendable {
    private var owners: [Value: Claim] = [:]
    /// Those that do without.
    private var waiting: [Value: Set<Claim>] = [:]

    struct Claim: Hashable, Comparable, Sendable {
        var isOwnAddress: Bool
        var id: ServicePort.ID
        var way: String

        static func < (a: Self, b: Self) -> Bool {
            a.isOwnAddress == b.isOwnAddress ? a.id < b.id : a.isOwnAddress
        }
    }

    /// Somebody that does without.
    struct Refusal: Hashable, Sendable {
        var id: ServicePort.ID
        var way: String
        var owner: ServicePort.ID
    }

    func owner(_ front: Value) -> ServicePort.ID? { owners[front]?.id }

    var refusals: [Refusal] {
        waiting.flatMap { front, claims in
            claims.compactMap { claim in owners[front].map { Refusal(id: claim.id, way: claim.way, owner: $0.id) } }
        }
    }

    mutating func claim(_ way: ServedPort.Way, _ id: ServicePort.ID) {
        let claim = Claim(way, id)
        guard let owner = owners[way.key] else {
            owners[way.key] = claim
            return
        }
        guard owner != claim else { return }
        owners[way.key] = min(owner, claim)
        waiting[way.key, default: []].insert(max(owner, claim))
    }

    mutating func release(_ way: ServedPort.Way, _ id: ServicePort.ID) {
        let claim = Claim(way, id)
        if owners[way.key] == claim {
            let next = waiting[way.key]?.min()
            owners[way.key] = next
            if let next { waiting[way.key]?.remove(next) }
        } else {
            waiting[way.key]?.remove(claim)
        }
        if waiting[way.key]?.isEmpty == true { waiting[way.key] = nil }
    }
}

extension FrontClaims.Claim {
    fileprivate init(_ way: ServedPort.Way, _ id: ServicePort.ID) {
        let place = way.address.map { SocketAddress($0, way.port).description } ?? "node port \(way.port)"
        self.init(isOwnAddress: way.isClusterIP, id: id, way: place)
    }
}
