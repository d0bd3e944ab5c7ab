import Addressing
import CNI
import Logging
import Plan
import Synchronization

/// Writes down what the Node object says of this node's pods, so that the next agent can attach pods before it has heard of the
/// objects: a server that is away must not keep a node from starting pods.
///
/// ```
/// <state>/node   {"node":"n1","prefixes":["10.244.1.0/24"],"mtu":1500,"reserved":["192.0.2.1"]}
/// ```
final class RememberingBook: AttachmentBook {
    private let book: any AttachmentBook
    private let node: String
    private let path: String
    private let logger: Logger
    private let written: Mutex<NodeMemory?>

    init(_ book: any AttachmentBook, of settings: AgentSettings, logger: Logger) {
        self.book = book
        self.logger = logger
        node = settings.node
        path = settings.stateDirectory + "/node"
        written = Mutex((try? Disk.read(path)).flatMap(NodeMemory.init(bytes:)))
    }

    /// Hands on what an earlier agent wrote down. Whether there was something.
    func recall() -> Bool {
        // Another node's, in a directory that is used for two: its ranges are not ours.
        guard let memory = written.withLock(\.self), memory.node == node else { return false }
        book.adopt(prefixes: memory.prefixes, mtu: memory.mtu, reserved: memory.reserved)
        logger.info("goes on with what was known before", metadata: ["ranges": "\(memory.prefixes)"])
        return true
    }

    func attachments() -> Attachments { book.attachments() }

    func adopt(prefixes: [IPPrefix], mtu: Int, reserved: Set<IPAddress>) {
        book.adopt(prefixes: prefixes, mtu: mtu, reserved: reserved)
        let memory = NodeMemory(node: node, prefixes: prefixes, mtu: mtu, reserved: reserved)
        guard written.withLock({ $0 != memory }) else { return }
        do {
            try Disk.write(memory.bytes, to: path)
            written.withLock { $0 = memory }
        } catch {
            logger.error("the node's ranges cannot be written down", metadata: ["error": "\(error)"])
        }
    }
}

/// What is kept of a node between two agents.
struct NodeMemory: Hashable {
    var node: String
    var prefixes: [IPPrefix]
    var mtu: Int
    /// The node's own addresses, and those that pods of nobody's may have.
    var reserved: Set<IPAddress>
}

extension NodeMemory {
    /// The file, one line of JSON.
    var bytes: [UInt8] {
        let document: SmallJSON = [
            "node": .string(node),
            "prefixes": .array(prefixes.map { .string($0.description) }),
            "mtu": .number("\(mtu)"),
            "reserved": .array(reserved.sorted().map { .string($0.description) }),
        ]
        return document.bytes + [UInt8(ascii: "\n")]
    }

    /// `nil` for what is no memory of this release: then the objects have to be waited for.
    init?(bytes: [UInt8]) {
        guard let document = try? SmallJSON(reading: bytes), let node = document["node"]?.string,
            let mtu = document["mtu"]?.integer, mtu > 0, let prefixes = document["prefixes"]?.array,
            let reserved = document["reserved"]?.array
        else { return nil }
        self.init(
            node: node, prefixes: prefixes.compactMap { $0.string.flatMap(IPPrefix.init) }, mtu: mtu,
            reserved: Set(reserved.compactMap { $0.string.flatMap(IPAddress.init) }))
        guard !self.prefixes.isEmpty, self.prefixes.count == prefixes.count, self.reserved.count == reserved.count else {
            return nil
        }
    }
}

/// The book of an agent that has no pods.
struct NoAttachments: AttachmentBook {
    func attachments() -> Attachments { Attachments() }
    func adopt(prefixes: [IPPrefix], mtu: Int, reserved: Set<IPAddress>) {}
}
