import CLinux
import Glibc
import Netlink

/// Held by the one agent that works in a network namespace, whatever its state directory: two would undo each other.
///
/// It is a unix socket with an abstract name, which belongs to the namespace, needs no file that both could see, and goes with the
/// process however it ends.
struct NamespaceLock {
    private let socket: Descriptor

    /// Seen by `ss -xlp` as `@tulle-agent`.
    static let name = "tulle-agent"

    /// - Throws: ``AgentConflict`` when another agent works there.
    init(_ namespace: NetworkNamespace) throws {
        let socket = try Self.open(namespace)
        if clinux_unix_bind_abstract(socket.rawValue, Self.name) != 0 {
            let code = errno
            guard code == EADDRINUSE else { throw KernelError(Errno(rawValue: code), "lock the network namespace") }
            throw AgentConflict(.namespace, process: Self.holder(namespace))
        }
        // Nobody is answered; who listens can be asked for by the next one that comes.
        guard listen(socket.rawValue, 8) == 0 else { throw KernelError(Errno(rawValue: errno), "lock the network namespace") }
        self.socket = socket
    }

    private static func open(_ namespace: NetworkNamespace) throws(KernelError) -> Descriptor {
        let socket = try namespace.perform { () throws(KernelError) -> CInt in
            let socket = clinux_unix_socket()
            guard socket >= 0 else { throw KernelError(Errno(rawValue: errno), "lock the network namespace") }
            return socket
        }
        return Descriptor(owning: socket)
    }

    private static func holder(_ namespace: NetworkNamespace) -> Int? {
        guard let socket = try? open(namespace), clinux_unix_connect_abstract(socket.rawValue, name) == 0 else { return nil }
        var process: pid_t = 0
        guard clinux_peer_process(socket.rawValue, &process) == 0, process > 0 else { return nil }
        return Int(process)
    }
}

/// Another agent is at work where this one was to work.
public struct AgentConflict: Error, Hashable, Sendable {
    public enum Place: Hashable, Sendable {
        case directory(String)
        case namespace
    }

    public var place: Place
    /// The other agent, when it is known.
    public var process: Int?

    public init(_ place: Place, process: Int? = nil) {
        self.place = place
        self.process = process
    }
}

extension AgentConflict: CustomStringConvertible {
    public var description: String {
        let other = "another agent" + (process.map { " (process \($0))" } ?? "")
        let place =
            switch place {
            case .directory(let path): "works on this directory: \(path)"
            case .namespace: "works in this network namespace"
            }
        return "\(other) \(place); stop it first: two on one node undo each other"
    }
}
