import Glibc
import KubeAPI
import NIOPosix
import Netlink
import Synchronization
import Testing

@testable import Lab

@Suite("name servers of a lab on bad days", .tags(.kernel), .enabled(if: kernelIsThere), .serialized, .timeLimit(.minutes(5)))
struct LabNameServerTests {
    @Test("one of two servers is killed while it is asked: everybody has an answer after the first retry")
    func killed() throws {
        let bench = try LabBench()
        try bench.up("--nodes", "2", "--dns", "2", "--pods", "1", "--families", "ipv4")
        try bench.untilReady(pods: 3)
        let sandbox = try bench.process(saying: "pause", "--new", "net,uts,ipc,pid", "--hostname", "echo-")
        let pod = try NetworkNamespace(path: "/proc/\(sandbox)/ns/net")
        // The ways through the service are there a moment after the pods are Ready.
        try bench.eventually("names are answered") { _ in (try? ServiceLoad.isAnswered(in: pod)) == true }
        let load = try ServiceLoad(in: pod)
        try bench.eventually("everybody asks") { _ in load.counts.allSatisfy { $0.answered > 20 } }
        for _ in 0..<2 {
            kill(try program(in: bench), SIGKILL)
            let before = load.counts.map(\.answered)
            // One that was sent to the server that is gone, and comes again to the one that is there.
            try bench.eventually("everybody is answered on") { _ in
                zip(load.counts, before).allSatisfy { $0.answered > $1 + 50 || $0.lost > 0 }
            }
            try bench.untilReady(pods: 3)
        }
        for counts in try load.end() { #expect(counts.lost == 0 && counts.answered > 0, "\(counts)") }
        try bench.downToNothing()
    }

    /// A name server's own process, below those that keep its container.
    private func program(in bench: LabBench) throws -> Int32 {
        var process = try bench.process(saying: "/opt/tulle/tulle", "dns", "serve")
        while let child = (Files.text(of: "/proc/\(process)/task/\(process)/children") ?? "").split(separator: " ").first {
            process = Int32(child) ?? process
        }
        return process
    }
}

/// Clients in a pod that ask the cluster's name server as C libraries do: by UDP, from another port for each question, and a second time
/// from the same one when nothing has come for five seconds.
private final class ServiceLoad: Sendable {
    struct Counts {
        var answered = 0
        /// Those of them that had to be asked for twice.
        var repeated = 0
        var lost = 0
    }

    private let isOver = Atomic(false)
    private let all: Mutex<[Counts]>
    private let threads: NIOThreadPool

    private static let clients = 4

    init(in pod: NetworkNamespace) throws {
        all = Mutex(Array(repeating: Counts(), count: Self.clients))
        threads = NIOThreadPool(numberOfThreads: Self.clients)
        threads.start()
        for client in 0..<Self.clients {
            threads.submit { _ in
                while !self.isOver.load(ordering: .relaxed) {
                    // A socket that cannot be made says nothing of the servers, and ends the load.
                    guard let tries = try? Self.ask(in: pod) else { return }
                    self.all.withLock { all in
                        if tries <= 2 { all[client].answered += 1 } else { all[client].lost += 1 }
                        if tries == 2 { all[client].repeated += 1 }
                    }
                }
            }
        }
    }

    var counts: [Counts] { all.withLock { $0 } }

    func end() throws -> [Counts] {
        isOver.store(true, ordering: .relaxed)
        try threads.syncShutdownGracefully()
        return counts
    }

    static func isAnswered(in pod: NetworkNamespace) throws -> Bool { try ask(in: pod, tries: 1) == 1 }

    /// `kubernetes.default.svc.cluster.local`, A.
    private static let query: [UInt8] =
        [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        + ["kubernetes", "default", "svc", "cluster", "local"].flatMap { [UInt8($0.utf8.count)] + $0.utf8 }
        + [0, 0, 1, 0, 1]

    /// - Returns: how often it was asked until the answer came; one more than wanted when none did.
    private static func ask(in pod: NetworkNamespace, tries: Int = 2) throws -> Int {
        let socket = try pod.perform { () throws(KernelError) -> Descriptor in
            Descriptor(owning: Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        }
        var server = sockaddr_in()
        server.sin_family = sa_family_t(AF_INET)
        server.sin_port = UInt16(53).bigEndian
        inet_pton(AF_INET, "10.96.0.10", &server.sin_addr)
        for number in 1...tries {
            // Not connected: what ICMP says of a server that is gone is not heard, as musl does not hear it.
            _ = withUnsafePointer(to: &server) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(socket.rawValue, query, query.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            var ready = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, 5000) == 1 else { continue }
            var answer = [UInt8](repeating: 0, count: 512)
            let count = recv(socket.rawValue, &answer, answer.count, 0)
            if count > query.count, answer[3] & 0xF == 0 { return number }
        }
        return tries + 1
    }
}
