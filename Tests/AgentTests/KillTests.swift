import Addressing
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    /// The moments are of two kinds. strace kills a thread before its n-th call of those that change something outside the
    /// process; threads that live for one call only are met by kills at random moments.
    @Suite("kill -9 of the agent and a start")
    struct KillTests {
        /// Netlink, settings and files, directories and sockets.
        private static let calls = ["sendto", "sendmsg", "write", "rename", "unlink", "mkdir", "bind", "listen", "openat"]

        /// A node with one pod, and a link like a pod's of which nothing is written down; everything else that is there when the
        /// agent starts is wrong.
        private final class Patient {
            let node: TestNode
            let pod: NetworkNamespace
            let whole: String
            private let scratch: NetworkNamespace
            private let draft: AttachmentRecord

            init() throws {
                node = try TestNode()
                pod = try .new()
                scratch = try .new()
                try node.start()
                try node.add("c1", pod)
                draft = try record("c8", "10.244.1.8", "fd00:10:244:1::8")
                try node.makeLink(id("c9").link, to: scratch)
                whole = try node.whole()
                node.stop()
            }

            /// No route, no table; an ADD that was not answered, with its link.
            func spoil() throws {
                let ours = try node.host.observe(Interest()).routes.filter { $0.proto == PacketPath.routeProtocol }
                for route in ours { try node.change(.remove(.route(route))) }
                let tables = try KernelTables(in: node.namespace)
                for id in try tables.tables() { try tables.apply([.deleteTable(id)]) }
                try node.change(
                    .change(from: .sysctl(Sysctl("net/ipv4/ip_forward", "1")), to: .sysctl(Sysctl("net/ipv4/ip_forward", "0"))))
                try AddressStore(directory: "\(node.directory.path)/state").begin(draft)
                try node.makeLink(draft.attachment.link, to: scratch)
            }

            func recovers(_ moment: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
                try node.start()
                try eventually("\(moment): the first state again; there is\n\((try? node.whole()) ?? "")") {
                    try node.whole() == whole
                }
                #expect(node.attachments == ["c1:eth0"], "\(moment)", sourceLocation: sourceLocation)
                let problems = node.status.problems
                #expect(problems.count == 1, "\(moment): \(problems)", sourceLocation: sourceLocation)
                #expect(problems.first?.contains("pod-link-unknown: \(id("c9").link)") == true, sourceLocation: sourceLocation)
                node.stop()
            }
        }

        @Test("while it starts, ends in the same state", .timeLimit(.minutes(5)))
        func starting() throws {
            let patient = try Patient()
            let node = patient.node
            var killed: [String: Int] = [:]
            var dice = Dice()
            for call in Self.calls {
                // Each name and each thread counts for itself: past the calls of the busiest one nobody is killed any more.
                var first = 1
                while true {
                    let count = Int.random(in: first..<first * 2, using: &dice)
                    try patient.spoil()
                    try node.launch(around: Self.strace(call, count))
                    try eventually("killed or ready", within: .seconds(30)) {
                        node.hasEnded || node.status.rounds > 0 && node.isServing
                    }
                    let wasKilled = node.hasEnded
                    node.bury()
                    try patient.recovers("killed before \(call) \(count) while it started, seed \(dice.seed)")
                    guard wasKilled else { break }
                    killed[call, default: 0] += 1
                    first *= 2
                }
            }
            #expect(killed.values.reduce(0, +) >= 12 && killed.count >= 5, "the sweeps ended too early: \(killed)")
            for _ in 0..<15 {
                try patient.spoil()
                let delay = Duration.microseconds(Int.random(in: 0...120_000, using: &dice))
                try node.launch()
                Self.spin(delay)
                node.bury()
                try patient.recovers("killed \(delay) after it started, seed \(dice.seed)")
            }
        }

        @Test("during an ADD and a DEL, ends in the same state after the runtime's next try", .timeLimit(.minutes(5)))
        func calls() throws {
            let node = try TestNode()
            try node.start()
            let before = try node.whole()
            let pod = try NetworkNamespace.new()
            var killed = 0
            var dice = Dice()
            for turn in 0..<44 {
                let verb = turn % 2 == 0 ? "ADD" : "DEL"
                let moment: String
                if verb == "DEL" { try node.add("c1", pod) }
                if turn < 14 {
                    // Of a worker's calls; the ones before are the rounds' that its links cause.
                    let call = ["sendto", "sendmsg", "write", "openat", "rename", "unlink", "sendto"][turn / 2]
                    let count = Int.random(in: 1...3, using: &dice)
                    moment = "\(verb), killed before \(call) \(count) of a thread, seed \(dice.seed)"
                    let tracer = try node.attach(Self.strace(call, count))
                    let courier = try node.begin(verb, "c1", pod.path)
                    // A timer's round may meet the kill as well: then nobody answers, which is the same to the runtime.
                    let outcome = try courier.finish()
                    if outcome.output.contains(#""code":11"#) || node.hasEnded { killed += 1 }
                    node.bury()
                    _ = tracer.end(by: SIGTERM)
                } else {
                    let delay = Duration.microseconds(Int.random(in: 0...(verb == "ADD" ? 9_000 : 25_000), using: &dice))
                    moment = "\(verb), killed after \(delay), seed \(dice.seed)"
                    let courier = try node.begin(verb, "c1", pod.path)
                    Self.spin(delay)
                    node.bury()
                    if try courier.finish().output.contains(#""code":11"#) { killed += 1 }
                }
                try node.start()
                if verb == "ADD" {
                    // What a runtime does when it does not know how an ADD ended.
                    #expect(try node.call("DEL", "c1", pod.path) == .quiet, "\(moment)")
                    let result = try node.add("c1", pod)
                    let record = try #require(
                        AttachmentRecord(bytes: Array(node.directory.read("state/attachments/c1:eth0").utf8)))
                    #expect(record.attachment.addresses.map(\.description) == result.addresses, "\(moment)")
                    #expect(node.attachments == ["c1:eth0"], "\(moment)")
                    let previous = #","prevResult":\#(result.json(.latest))"#
                    #expect(try node.call("CHECK", "c1", pod.path, more: previous) == .quiet, "\(moment)")
                    #expect(try node.podLinks() == [id("c1").link], "\(moment)")
                }
                #expect(try node.call("DEL", "c1", pod.path) == .quiet, "\(moment)")
                try #require(try node.whole() == before, "\(moment)")
                try eventually("\(moment): no problems; there is \(node.status)") { node.status.problems == [] }
            }
            #expect(killed >= 10, "only \(killed) of the calls were cut; seed \(dice.seed)")
        }

        private static func strace(_ call: String, _ count: Int) -> [String] {
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e", "inject=\(call):signal=KILL:when=\(count)"]
        }

        /// Shorter than any sleep.
        private static func spin(_ duration: Duration) {
            let end = ContinuousClock.now + duration
            while ContinuousClock.now < end {}
        }
    }
}

extension TestNode {
    /// A link like a pod's, whose other end is in this namespace.
    func makeLink(_ name: String, to scratch: NetworkNamespace) throws {
        host.namespaces["scratch"] = scratch
        let peer = Link.Peer("x\(name.suffix(8))", in: "scratch")
        try change(.add(.link(Link(name, .veth(peer: peer), mac: MACAddress(local: 9), mtu: 1500, makesLinkLocal: false))))
    }

    func podLinks() throws -> [String] {
        try host.observe(Interest([])).links.map(\.name).filter(PacketPath.isPodLink)
    }

    var isServing: Bool { access("\(directory.path)/state/cni.sock", F_OK) == 0 }

    /// Whether the agent's process is over, buried or not.
    var hasEnded: Bool {
        guard let process = agent?.process else { return true }
        var about = siginfo_t()
        return waitid(P_PID, id_t(process), &about, WEXITED | WNOHANG | WNOWAIT) != 0 || about.si_signo != 0
    }

    /// strace on all threads of the agent that runs, and it sees their next calls.
    func attach(_ words: [String]) throws -> Program {
        let process = try #require(agent?.process)
        let tracer = try Program(words + ["-p", "\(process)"])
        // A thread has its tracer before it has stopped for it, and only from then on are its calls seen: so all have to be at
        // rest, the tracer too, and more than once.
        var rests = 0
        try eventually("every thread is traced") {
            let statuses = try Program.run(
                ["sh", "-c", "cat /proc/\(process)/task/*/status /proc/\(tracer.process)/status"]
            ).output.split(separator: "\n")
            let untraced = statuses.count { $0 == "TracerPid:\t0" }
            let restless = statuses.contains { $0.hasPrefix("State:") && !$0.hasPrefix("State:\tS") }
            // The one that is not traced is the tracer.
            rests = untraced <= 1 && !restless ? rests + 1 : 0
            return hasEnded || rests > 2
        }
        return tracer
    }
}
