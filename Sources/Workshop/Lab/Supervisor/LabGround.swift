import Addressing
import CLinux
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Synchronization

/// What the cluster stands on: the fabric and the namespaces of the nodes, each held by a process of ours.
final class LabGround: Sendable {
    let fabric: Holder
    private let directory: LabDirectory
    private let tools: Tools
    private let standing = Mutex<[Node]>([])

    struct Node: Sendable {
        var name: String
        var holder: Holder
        var addresses: [IPAddress]
        /// What the fabric calls its end of the node's link.
        var port = ""
    }

    /// Blocks for some tens of milliseconds a node.
    init(_ settings: LabSettings, in directory: LabDirectory, tools: Tools) throws {
        (self.directory, self.tools) = (directory, tools)
        let wire = try Self.naming("make the wire between the nodes") { try Fabric(tools: tools, wires: settings.segmentCount) }
        fabric = wire.holder
        let kernel = try KernelHost(fabric.namespace)
        for number in 0..<settings.segmentCount {
            for (segment, address) in zip(settings.segments(ofWire: number), settings.routerAddresses(ofWire: number)) {
                try kernel.carryOut([
                    .add(.address(Address(InterfaceAddress(address, length: segment.length), on: Fabric.bridge(number))))
                ])
            }
        }
        for seat in settings.seats { try add(seat, settings, to: wire) }
        for number in 0..<settings.segmentCount {
            for address in settings.routerAddresses(ofWire: number) { try kernel.settleAddress(address) }
        }
    }

    /// In the order of their numbers.
    var nodes: [Node] { standing.withLock { $0 } }

    @discardableResult
    private func add(_ seat: LabSeat, _ settings: LabSettings, to wire: Fabric) throws -> Node {
        let name = seat.name
        // A node that starts knows no pod: what an earlier one left belongs to namespaces that are gone.
        for part in ["state", "pods"] { Files.remove("\(directory.node(name))/\(part)") }
        try Files.makeDirectories(directory.node(name), mode: 0o700)
        try Self.keepInMemory(directory.node(name) + "/pods")
        var node = Node(
            name: name, holder: try Holder(name, kinds: "net,uts,pid", tools: tools),
            addresses: settings.addresses(ofNode: seat.position))
        try Self.naming("plug \(name) in") {
            let number = settings.wire(ofNode: seat.position)
            node.port = try wire.connect(
                node.holder, addresses: node.addresses, lengths: settings.segmentLengths, wire: number,
                routers: settings.routerAddresses(ofWire: number), plug: seat.plug)
        }
        let order = settings.nodeNames
        standing.withLock { nodes in
            nodes.append(node)
            nodes.sort { (order.firstIndex(of: $0.name) ?? 0) < (order.firstIndex(of: $1.name) ?? 0) }
        }
        return node
    }

    /// What the files of pods are kept in goes with the mount namespace of the lab, all at once. On a disk that is told of every
    /// block that is free (ext4 with `discard`) removing those of a hundred pods takes three seconds.
    private static func keepInMemory(_ path: String) throws(LabError) {
        try Files.makeDirectories(path, mode: 0o700)
        // Where /run is one, or after a restart, it is.
        guard clinux_is_in_memory(path) == 0, clinux_mount("tmpfs", path, "mode=700") != 0 else { return }
        throw LabError(.kernelLacks, "mount a tmpfs at \(path): \(String(cString: strerror(errno)))")
    }

    /// A kernel without veth or bridges answers in few words.
    private static func naming<Result>(_ attempt: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as KernelError where [.notSupported, .noSuchObject, .noSuchDevice].contains(error.code) {
            throw LabError(
                .kernelLacks, "\(attempt): \(error)",
                remedy: "the kernel needs bridge, veth and nf_tables: modprobe bridge veth nf_tables")
        }
    }

    func holders() -> [Holder] { [fabric] + nodes.map(\.holder) }
}

// MARK: - While it runs

extension LabGround {
    /// One node more. Blocks as a beginning does.
    func add(_ seat: LabSeat, _ settings: LabSettings) throws -> Node { try add(seat, settings, to: Fabric(fabric)) }

    /// Ends what holds a node's namespaces, and with them its link; its files go too. Blocks.
    func remove(_ name: String) {
        let node = standing.withLock { nodes in
            nodes.firstIndex { $0.name == name }.map { nodes.remove(at: $0) }
        }
        if let node {
            // One that is gone already is as good.
            try? Fabric.unplug(node.port, from: fabric)
            node.holder.end()
        }
        clinux_unmount(directory.node(name) + "/pods")
        Files.remove(directory.node(name))
    }

    /// Takes a node's addresses away and gives it others, as when somebody numbers its network anew. Blocks.
    func renumber(_ seat: LabSeat, _ settings: LabSettings) throws {
        let new = settings.addresses(ofNode: seat.position)
        let node = standing.withLock { nodes in
            nodes.firstIndex { $0.name == seat.name }.map { index in
                defer { nodes[index].addresses = new }
                return nodes[index]
            }
        }
        guard let node else { throw settings.unknown(seat.name) }
        try Fabric.renumber(
            node.holder, from: node.addresses, to: new, lengths: settings.segmentLengths,
            routers: settings.routerAddresses(ofWire: settings.wire(ofNode: seat.position)))
    }
}

extension LabGround.Node {
    /// What a runtime hands to the plugin on this node.
    func network(in directory: LabDirectory) -> SmallJSON {
        [
            "cniVersion": "1.1.0", "name": "tulle", "type": "tulle-cni",
            "agentSocket": .string(directory.agentSocket(name)),
            "queueDirectory": .string(directory.agentState(name) + "/deletions"),
            "capabilities": ["portMappings": true, "bandwidth": true],
        ]
    }
}

/// Bound sockets that a server is given.
enum BoundSocket {
    /// - Parameter namespace: `nil` for that of this process.
    static func stream(_ address: IPAddress, port: UInt16, in namespace: NetworkNamespace? = nil) throws -> Descriptor {
        let descriptor: Descriptor
        if let namespace {
            descriptor = try namespace.perform { () throws(KernelError) in try open(address, port) }
        } else {
            descriptor = try open(address, port)
        }
        return descriptor
    }

    static func port(of socket: Descriptor) -> UInt16 {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket.rawValue, $0, &length) }
        }
        // sin_port and sin6_port stand at the same place, in network order.
        return withUnsafeBytes(of: &address) { UInt16($0[2]) << 8 | UInt16($0[3]) }
    }

    private static func open(_ address: IPAddress, _ port: UInt16) throws(KernelError) -> Descriptor {
        let family = address.family == .v4 ? AF_INET : AF_INET6
        let what = "listen on \(SocketAddress(address, port))"
        let raw = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw KernelError(Errno(rawValue: errno), what) }
        let descriptor = Descriptor(owning: raw)
        var on: CInt = 1
        setsockopt(raw, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        let (high, low) = (UInt8(port >> 8), UInt8(port & 0xFF))
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { bytes in
            bytes.storeBytes(of: sa_family_t(family), as: sa_family_t.self)
            (bytes[2], bytes[3]) = (high, low)
            // sin_addr stands at 4, sin6_addr at 8.
            for (offset, byte) in address.bytes.enumerated() { bytes[(address.family == .v4 ? 4 : 8) + offset] = byte }
        }
        let length = socklen_t(address.family == .v4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
        let answer = withUnsafePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(raw, $0, length) }
        }
        // Listening from the start: who connects while the server is started again waits and is not refused.
        guard answer == 0, listen(raw, 4096) == 0 else { throw KernelError(Errno(rawValue: errno), what) }
        return descriptor
    }
}
