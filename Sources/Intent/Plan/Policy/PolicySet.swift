import Addressing
import Cluster
import NFTables

/// A set of the table of policies.
enum PolicySet: Hashable, Sendable {
    /// Of this node's pods, by their address, which class holds for what they send, and for what is sent to them.
    case senders
    case receivers
    /// Where classes lead.
    case senderClasses
    case receiverClasses
    /// The same, for what they send to this node itself: only where policies of the cluster may refuse it.
    case nodeSenders
    case nodeClasses
    /// Those pods.
    case guarded
    /// Pods that a policy isolates for a direction, or both.
    case isolated
    /// A pod and itself.
    case selves
    /// What was refused of each pod's, counted.
    case refusedSenders
    case refusedReceivers
    /// Who is meant by a rule: one for each selector, whichever rules use it.
    case members(PeerSelector)
    case ranges(AddressRanges)
    /// Where pods have a port of this name, each its own.
    case named(NamedPort)

    /// Those that every table has.
    static let standing: [PolicySet] = [
        .senders, .receivers, .senderClasses, .receiverClasses, .isolated, .selves, .refusedSenders, .refusedReceivers,
    ]

    /// Those that a table has where a pod's way to its own node is judged.
    static let guarding: [PolicySet] = [.nodeSenders, .nodeClasses, .guarded]

    var name: String {
        switch self {
        case .nodeSenders: "node-senders"
        case .nodeClasses: "node-classes"
        case .guarded: "guarded"
        case .senders: "senders"
        case .receivers: "receivers"
        case .senderClasses: "sender-classes"
        case .receiverClasses: "receiver-classes"
        case .isolated: "isolated"
        case .selves: "selves"
        case .refusedSenders: "refused-senders"
        case .refusedReceivers: "refused-receivers"
        case .members(let peer): "pods-" + hashed { $0.add(peer) }
        case .ranges(let ranges): "ranges-" + hashed { $0.add(ranges) }
        case .named(let port): "ports-" + hashed { $0.add(port) }
        }
    }

    private func hashed(_ body: (inout StableHash) -> Void) -> String {
        var hash = StableHash()
        body(&hash)
        return hash.text
    }

    func shape(_ family: IPFamily) -> NamedSet.Shape {
        let address: FieldType = family == .v4 ? .ipv4Address : .ipv6Address
        return switch self {
        case .senders, .receivers, .nodeSenders: .init(name, key: [address], data: .fields([.mark]))
        case .senderClasses, .receiverClasses, .nodeClasses: .init(name, key: [.mark], data: .verdict)
        case .isolated, .guarded, .refusedSenders, .refusedReceivers: .init(name, key: [address], counts: true)
        case .selves: .init(name, key: [address, address])
        case .members: .init(name, key: [address])
        case .ranges: .init(name, key: [address], isInterval: true)
        case .named: .init(name, key: [address, .port])
        }
    }

    /// What it holds where that follows from the index, and not from this node's pods.
    func elements(_ family: IPFamily, _ index: PolicyIndex) -> [Value: NamedSet.Content] {
        switch self {
        case .members(let peer):
            return index.members(of: peer).reduce(into: [:]) {
                if $1.family == family { $0[Value(.address($1))] = NamedSet.Content() }
            }
        case .named(let port):
            return index.members(of: port).reduce(into: [:]) {
                if $1.address.family == family { $0[Value(.address($1.address), .port($1.port))] = NamedSet.Content() }
            }
        case .ranges(let ranges):
            return ranges.ranges.reduce(into: [:]) { elements, range in
                let first = IPAddress(family: family, number: range.lowerBound)
                let last = IPAddress(family: family, number: range.upperBound)
                elements[Value(.address(first))] = NamedSet.Content(last: first == last ? nil : Value(.address(last)))
            }
        default: return [:]
        }
    }
}
