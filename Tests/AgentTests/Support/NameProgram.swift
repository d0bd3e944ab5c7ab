import Addressing
import CLinux
import DNS
import Glibc
import Netlink
import Testing

/// `tulle dns` in a namespace with nothing but loopback, where it listens at the ports that it has in a cluster.
final class NameProgram {
    let directory: TemporaryDirectory
    let namespace: NetworkNamespace
    private let holder: String
    private let pause: Program
    private(set) var program: Program?

    /// - Parameters:
    ///   - objects: YAML.
    ///   - configuration: what `names.yaml` says.
    init(objects: String = NameProgram.objects, configuration: String = "forward: {upstreams: []}\n") throws {
        directory = try TemporaryDirectory()
        pause = try Program([try Program.product("tulle-pod"), "pause", "--new", "net"])
        holder = pause.line()
        namespace = try NetworkNamespace(path: "/proc/\(holder)/ns/net")
        try namespace.perform { () throws(KernelError) in
            if clinux_loopback_up() < 0 { throw KernelError(Errno(rawValue: errno), "set lo up") }
        }
        try directory.write(objects, to: "objects.yaml")
        try directory.write(configuration, to: "names.yaml")
    }

    deinit {
        program?.end(by: SIGKILL)
        pause.end(by: SIGTERM)
    }

    /// A service web in the namespace shop.
    static let objects = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web, namespace: shop}
        spec: {clusterIPs: [10.96.0.80], ports: [{name: http, port: 80}]}

        """

    static func pod(_ name: String, at address: String) -> String {
        """
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name), namespace: shop}
        spec: {containers: [{name: main, image: none}]}
        status: {phase: Running, podIPs: [{ip: \(address)}]}

        """
    }

    /// A command in its namespace.
    func command(_ words: [String]) throws -> [String] {
        [try Program.product("tulle-pod"), "run", "--join", holder, "--namespaces", "net", "--"] + words
    }

    func launch(_ options: [String] = []) throws {
        let words = [
            try Program.product("tulle"), "dns", "serve", "--objects", "\(directory.path)/objects.yaml", "--config",
            "\(directory.path)/names.yaml", "--threads", "2",
        ]
        program = try Program(try command(words + options), log: "\(directory.path)/log")
    }

    func start(_ options: String...) throws { try start(options) }

    func start(_ options: [String]) throws {
        try launch(options)
        try eventually("the server is ready\n\(log)") { try page("/ready", 8181)?.status == 200 }
    }

    var log: String { directory.read("log") }

    /// What it shows; `nil` when nobody is there.
    func page(_ path: String, _ port: UInt16 = 9153) throws -> HTTPReply? {
        try namespace.get(path, at: SocketAddress(ip("127.0.0.1"), port))
    }

    /// A figure's value, as it is written; the first that begins so.
    func figure(_ name: String) throws -> String? {
        let lines = try #require(try page("/metrics")).body.split(separator: "\n")
        return lines.first { $0.hasPrefix(name) }?.split(separator: " ").last.map(String.init)
    }

    /// In one step, as a mounted ConfigMap changes.
    func replace(_ name: String = "names.yaml", with text: String) throws {
        try directory.write(text, to: "draft")
        guard rename("\(directory.path)/draft", "\(directory.path)/\(name)") == 0 else { throw Broken("rename \(name)") }
    }

    /// Writes another configuration, and has it read.
    func reload(_ text: String) throws {
        try replace(with: text)
        kill(try #require(program?.process), SIGHUP)
    }

    /// Its exit status.
    func wait() -> Int32? {
        defer { program = nil }
        return program?.wait()
    }
}

// MARK: - Asking

extension NameProgram {
    /// The code, and the data of the answers in order, as words.
    func ask(_ name: String, _ type: RecordType = .a, at address: String = "127.0.0.1", isStream: Bool = false) throws -> String {
        let asker = try NameCaller(namespace, ip(address), isStream: isStream)
        return Self.text(try #require(asker.ask(name, type), "nobody answers\n\(log)"))
    }

    static func text(_ message: DNS.Message) -> String {
        let data = message.answers.map { $0.description.split(separator: " ").dropFirst(4).joined(separator: " ") }
        return (["\(message.responseCode)"] + data).joined(separator: " ")
    }

    /// Waits until a question is answered so.
    func untilIt(_ name: String, _ type: RecordType = .a, is wanted: String) throws {
        try eventually("\(name) is \(wanted)\n\(log)") { try ask(name, type) == wanted }
    }
}

/// A client's socket in a namespace, that waits twenty seconds for an answer.
final class NameCaller: Sendable {
    private let socket: Descriptor
    private let isStream: Bool
    private static let patience: Int32 = 20_000

    init(_ namespace: NetworkNamespace, _ address: IPAddress, isStream: Bool = false) throws {
        self.isStream = isStream
        let bytes = address.bytes
        socket = try namespace.perform { () throws(KernelError) in
            Descriptor(
                owning: isStream
                    ? clinux_connect_stream(bytes, bytes.count, 53, 0) : clinux_connect_datagram(bytes, bytes.count, 53, 0))
        }
        if isStream, !Self.waits(socket, POLLOUT) || clinux_socket_error(socket.rawValue) != 0 {
            throw Broken("nobody takes a connection at \(address)")
        }
    }

    func send(_ name: String, _ type: RecordType = .a, id: UInt16) -> Bool {
        guard let name = DomainName(name) else { return false }
        let query = DNS.Message.query(Question(name, type), id: id).bytes()
        let bytes = isStream ? [UInt8(query.count >> 8), UInt8(query.count & 0xFF)] + query : query
        return clinux_send_now(socket.rawValue, bytes, bytes.count) == bytes.count
    }

    /// - Returns: `nil` when none came, or the connection ended.
    func receive(within patience: Int32 = NameCaller.patience) -> DNS.Message? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            guard Self.waits(socket, POLLIN, patience) else { return nil }
            // Of a stream no more than this message: whoever asks again has had it.
            let wanted = !isStream ? buffer.count : bytes.count < 2 ? 2 - bytes.count : Self.size(bytes) - bytes.count
            let count = clinux_receive_now(socket.rawValue, &buffer, wanted)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
            if !isStream { return try? DNS.Message(bytes) }
            if bytes.count >= 2, bytes.count == Self.size(bytes) { return try? DNS.Message(Array(bytes.dropFirst(2))) }
        }
    }

    func ask(_ name: String, _ type: RecordType = .a) -> DNS.Message? {
        let id = UInt16.random(in: .min ... .max)
        guard send(name, type, id: id) else { return nil }
        while let answer = receive() { if answer.header.id == id { return answer } }
        return nil
    }

    private static func size(_ bytes: [UInt8]) -> Int { 2 + (Int(bytes[0]) << 8 | Int(bytes[1])) }

    private static func waits(_ socket: borrowing Descriptor, _ events: Int32, _ patience: Int32 = patience) -> Bool {
        var entry = pollfd(fd: socket.rawValue, events: Int16(events), revents: 0)
        return poll(&entry, 1, patience) == 1
    }
}
