import Addressing
import CLinux
import DNS
import Glibc
import Logging
import NameServer
import Synchronization
import Testing

/// A name server on loopback with a small cluster's names, and clients of it.
struct ServingStage: ~Copyable {
    let server: DNSServer

    static let records = """
        web.shop.svc A 192.0.2.1
        web.shop.svc AAAA 2001:db8::1
        db.shop.svc A 192.0.2.2
        web.other.svc A 192.0.2.3
        redis A 192.0.2.4
        ext.shop.svc CNAME far.example.org.
        lost.other.svc CNAME far.example.org.
        own.shop.svc CNAME web.shop.svc.cluster.local.
        """

    static let searchList = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"].map(name)

    /// - Parameter addresses: where it listens, at a port that the kernel chooses.
    init(
        _ addresses: [String] = ["127.0.0.1", "::1"], outside: (any OutsideNames)? = nil, clients: ClientNames? = nil,
        responseLimit: ResponseLimit? = nil, _ change: (inout NameServerSettings) -> Void = { _ in }
    ) throws {
        var settings = NameServerSettings(
            addresses: addresses.compactMap { IPAddress($0) }, port: 0, threads: 2,
            now: { .nanoseconds(clinux_clock(CLOCK_MONOTONIC)) })
        change(&settings)
        server = DNSServer(settings, outside: outside, logger: Logger(label: "test"))
        server.serve(
            ServedNames(
                zones: Zones([Self.zone()]), clients: clients, isLogged: settings.report != nil, responseLimit: responseLimit))
        try server.start()
    }

    deinit { server.stop() }

    static func zone() -> Zone {
        let server = name("ns.dns.cluster.local")
        let authority = StartOfAuthority(primary: server, mailbox: name("hostmaster.cluster.local"), serial: 1)
        var zone = Zone(name("cluster.local"), authority: authority, nameServers: [server])
        var all: [Record] = []
        for line in records.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            let data: RecordData? =
                words[1] == "CNAME" ? .cname(name(words[2])) : IPAddress(words[2]).map { .address($0) }
            if let data { all.append(Record(name("\(words[0]).cluster.local"), data)) }
        }
        zone.replace("all", with: ZoneContent(all))
        return zone
    }

    /// Where it listens in a family.
    func place(_ family: IPFamily = .v4) throws -> SocketAddress {
        try #require(server.addresses.first { $0.address.family == family })
    }

    /// Asks over UDP and gives the answer as lines of code and records.
    func ask(_ text: String, _ type: RecordType = .a, family: IPFamily = .v4) throws -> [String] {
        try Self.lines(Caller(place(family)).ask(Self.query(text, type)))
    }

    static func query(_ text: String, _ type: RecordType = .a, id: UInt16 = 7, edns: EDNS? = nil) -> [UInt8] {
        Message.query(Question(name(text), type), id: id, edns: edns).bytes()
    }

    static func lines(_ bytes: [UInt8]) throws -> [String] {
        let message = try Message(bytes)
        return ["\(message.responseCode)"] + message.answers.map(\.description)
            + message.authorities.map { "~ \($0.name) \($0.type)" }
    }
}

func name(_ text: String) -> DomainName {
    guard let name = DomainName(text) else { preconditionFailure("\(text) is no name") }
    return name
}

/// A client's socket, UDP or TCP, that waits ten seconds for an answer.
final class Caller {
    private let descriptor: Int32
    struct Silence: Error { var errno: Int32 }

    /// - Parameter from: the client's own address.
    init(_ place: SocketAddress, stream: Bool = false, from own: String? = nil) throws {
        let family = place.address.family == .v4 ? AF_INET : AF_INET6
        let kind = stream ? Int32(SOCK_STREAM.rawValue) : Int32(SOCK_DGRAM.rawValue)
        descriptor = socket(family, kind, 0)
        clinux_socket_receive_timeout(descriptor, 10_000)
        clinux_socket_send_timeout(descriptor, 10_000)
        if let own, let address = IPAddress(own) {
            try Self.with(SocketAddress(address, 0)) { try Self.check(bind(descriptor, $0, $1)) }
        }
        try Self.with(place) { try Self.check(connect(descriptor, $0, $1)) }
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) throws { try Self.check(Int32(Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)))) }

    func receive() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        if count < 0 { throw Silence(errno: errno) }
        return Array(bytes[..<count])
    }

    func ask(_ bytes: [UInt8]) throws -> [UInt8] {
        try send(bytes)
        return try receive()
    }

    /// The next message of a stream; `nil` at its end.
    func next(_ framing: inout StreamFraming) throws -> [UInt8]? {
        while true {
            if let message = framing.next() { return message }
            let piece = try receive()
            if piece.isEmpty { return nil }
            framing.append(piece)
        }
    }

    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Fewer seconds to wait, where silence is expected.
    func wait(milliseconds: Int) { clinux_socket_receive_timeout(descriptor, milliseconds) }

    private static func check(_ result: Int32) throws {
        if result < 0 { throw Silence(errno: errno) }
    }

    private static func with(_ place: SocketAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Void) throws {
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        switch place.address {
        case .v4(let address):
            v4.sin_family = sa_family_t(AF_INET)
            v4.sin_port = place.port.bigEndian
            v4.sin_addr.s_addr = address.rawValue.bigEndian
            try withUnsafePointer(to: &v4) {
                try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    try body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        case .v6(let address):
            v6.sin6_family = sa_family_t(AF_INET6)
            v6.sin6_port = place.port.bigEndian
            withUnsafeMutableBytes(of: &v6.sin6_addr) { $0.copyBytes(from: address.bytes) }
            try withUnsafePointer(to: &v6) {
                try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    try body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
    }
}

/// The world outside, as a table. Names that are not in it do not exist.
final class TableOfNames: OutsideNames {
    private struct State {
        var answers: [DomainName: OutsideAnswer] = [:]
        var asked: [String] = []
        var isHeld = false
        var held: [@Sendable () -> Void] = []
    }

    private let state: Mutex<State>

    /// - Parameter isHeld: nothing is answered before ``release()``.
    init(_ answers: [String: OutsideAnswer] = [:], isHeld: Bool = false) {
        var state = State(isHeld: isHeld)
        for (text, answer) in answers { state.answers[name(text)] = answer }
        self.state = Mutex(state)
    }

    /// What was asked for, in order.
    var asked: [String] { state.withLock { $0.asked } }

    static func address(_ text: String, _ address: String, ttl: TimeToLive = 60) -> OutsideAnswer {
        OutsideAnswer(.noError, answers: IPAddress(address).map { [Record(name(text), .address($0), ttl: ttl)] } ?? [])
    }

    func release() {
        let held = state.withLock { state in
            state.isHeld = false
            defer { state.held = [] }
            return state.held
        }
        for body in held { body() }
    }

    func known(
        _ query: Query, _ packet: Span<UInt8>, _ circumstances: Circumstances, into memory: UnsafeMutableRawBufferPointer
    ) -> Int? { nil }

    func resolve(_ wish: OutsideWish, _ answered: @escaping @Sendable (OutsideAnswer) -> Void) {
        let answer = state.withLock { state -> OutsideAnswer? in
            state.asked.append("\(wish.question)")
            let answer = Self.answer(wish.question, state)
            if !state.isHeld { return answer }
            state.held.append { answered(answer) }
            return nil
        }
        if let answer { answered(answer) }
    }

    private static func answer(_ question: Question, _ state: State) -> OutsideAnswer {
        guard var answer = state.answers[question.name] else { return OutsideAnswer(.nameError) }
        answer.answers.removeAll { $0.type != question.type && $0.type != .cname }
        return answer
    }
}

/// Waits until something holds that nothing tells of.
func eventually(_ what: Comment, _ condition: () throws -> Bool) rethrows {
    let start = clinux_clock(CLOCK_MONOTONIC)
    while clinux_clock(CLOCK_MONOTONIC) - start < 60_000_000_000 {
        if try condition() { return }
        poll(nil, 0, 2)
    }
    Issue.record(what)
}
