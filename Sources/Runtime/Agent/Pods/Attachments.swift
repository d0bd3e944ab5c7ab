import Addressing
import Cluster
import Plan

/// Who is attached to this node at one moment.
struct Attachments: Sendable {
    var all: [Attachment.ID: Attachment] = [:]
    /// Those that a call is at work on.
    var busy: Set<Attachment.ID> = []
    /// How many calls have begun so far.
    var claims = 0
    /// The addresses of those that a call is at work on.
    var held: Set<IPAddress> = []
    /// The paths of records that cannot be read, by the links they are about: somebody's pod may hang on each.
    var lost: [String: String] = [:]
    /// What could not be done about attachments without being asked.
    var problems: [Problem] = []

    /// The links of all of them, also of those on their way.
    var links: [String] { (Array(all.keys) + Array(busy)).map(\.link) }

    /// The links that may have come, gone or changed since an earlier moment by a call's work: what was seen of them in between
    /// is no longer true, or not yet.
    func moving(since earlier: Attachments) -> Set<String> {
        let ids = Set(all.keys).union(earlier.all.keys)
        let changed = ids.filter { all[$0] != earlier.all[$0] }
        return Set((Array(busy) + Array(earlier.busy) + Array(changed)).map(\.link))
    }
}

/// Who knows what is attached and gives out the addresses.
protocol AttachmentBook: Sendable {
    func attachments() -> Attachments

    /// The node's ranges and the MTU its pods get, as the node's own object says.
    func adopt(prefixes: [IPPrefix], mtu: Int, reserved: Set<IPAddress>)
}
