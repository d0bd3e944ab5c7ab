import Addressing
import CNI
import Plan
import Synchronization

// MARK: - Why an ADD is refused

extension PodService {
    /// In words for the runtime's log. What may be otherwise in a while has code 11: the runtime tries again.
    func failure(for attaching: PodLedger.Attaching, of id: Plan.Attachment.ID, at now: Duration) -> Failure {
        switch attaching {
        case .attached, .alreadyAttached: Failure(.refused, "\(id) is attached already", details: "DEL it first")
        case .notReady: Failure(.tryAgainLater, "the node's pod range is not known yet", details: "see the agent's log")
        case .exhausted(let prefix, let count):
            Failure(
                .tryAgainLater, "no address is free in \(prefix)",
                details: "\(count) are held by pods of this node: \(shortened(ledger.withLock { $0.holders(of: prefix) }))")
        case .resting(let time):
            Failure(.tryAgainLater, "every free address rests; the first is free in \(time - now)")
        case .portTaken(let port, let holder):
            Failure(
                .refused, "the host port \(port) is held by \(holder)",
                details: "a port of a node leads to one pod; it is free when that pod is gone")
        case .portUnreachable(let port):
            Failure(
                .badConfiguration, "the host port \(port) would lead nowhere",
                details: "the pod has no address of that family; leave hostIP out, or name an address of another family")
        case .unavailable(let address, let obstacle): failure(for: address, obstacle, at: now)
        }
    }

    private func failure(for address: IPAddress, _ obstacle: PodLedger.Obstacle, at now: Duration) -> Failure {
        let asked = "the address \(address) that was asked for"
        return switch obstacle {
        case .outside(let prefixes):
            Failure(
                .badConfiguration, "\(asked) is in none of this node's ranges",
                details: "they are \(prefixes.map(\.description).joined(separator: ", "))")
        case .reserved(let prefix):
            Failure(
                .badConfiguration, "\(asked) is never given to a pod",
                details: "it is the network's, the broadcast address of \(prefix) or one of the node's own")
        case .second(let prefix):
            Failure(.badConfiguration, "\(asked) is the second of \(prefix)", details: "a pod gets one address of each range")
        case .held(let holder, let prefix):
            Failure(.tryAgainLater, "\(asked) is held by \(holder)", details: "it is of the range \(prefix)")
        case .resting(let time, let prefix):
            Failure(
                .tryAgainLater, "\(asked) was another pod's a moment ago",
                details: "it is of the range \(prefix), and rests for another \(time - now)")
        }
    }

    /// The first few of a list, and how many more.
    func shortened(_ names: [String], to count: Int = 8) -> String {
        let rest = names.count - count
        return names.prefix(count).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }
}
