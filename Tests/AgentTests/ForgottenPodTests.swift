import Addressing
import CNI
import Glibc
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan
import Testing

@testable import Agent

@Suite("pods whose DEL never comes")
struct ForgottenPodTests {
    @Test("after a reboot, which empties the state directory, addresses begin anew")
    func reboot() throws {
        let bench = try PodBench("192.0.2.0/29")
        #expect(try bench.addresses("c1") == ["192.0.2.1"])
        let next = try PodBench("192.0.2.0/29")
        #expect(try next.addresses("c2") == ["192.0.2.1"])
        #expect(next.service.attachments().all.count == 1)
    }

    // After the state was lost, the GC of one network took away the links of another's pods, which ran.
    @Test("GC removes links that say they are of its network and that neither the runtime nor a record names")
    func strays() throws {
        func stray(_ container: String, _ network: String) throws -> Plan.Attachment {
            var attachment = try record(container, "192.0.2.5").attachment
            attachment.network = network
            return attachment
        }
        let bench = try PodBench("192.0.2.0/29")
        _ = try bench.addresses("c1")
        let known = try stray("known", "pods")
        let others = [try stray("other", "more"), try stray("nameless", "")]
        for attachment in [try stray("stray", "pods"), known] + others {
            try bench.dataplane.make(attachment, in: .current())
        }
        let kept =
            #","cni.dev/valid-attachments":[{"containerID":"c1","ifname":"eth0"},{"containerID":"known","ifname":"eth0"}]"#
        #expect(try bench.call("GC", "", more: kept).failure == nil)
        #expect(bench.dataplane.links == Set([id("c1").link, known.link] + others.map(\.link)))
    }

    @Test("GC takes away an attachment of its network whose record cannot be read, and the record")
    func unreadable() throws {
        let bench = try PodBench("192.0.2.0/29")
        for container in ["c1", "c2", "c3"] { _ = try bench.addresses(container) }
        #expect(try bench.call("ADD", "c4", network: "more").failure == nil)
        for container in ["c1", "c2", "c4"] { try bench.directory.write("{", to: "state/attachments/\(container):eth0") }
        let next = try PodBench("192.0.2.0/29", after: bench)
        let kept = #","cni.dev/valid-attachments":[{"containerID":"c1","ifname":"eth0"},{"containerID":"c3","ifname":"eth0"}]"#
        #expect(try next.call("GC", "", more: kept).failure == nil)
        #expect(next.directory.names(in: "state/attachments") == ["c1:eth0", "c3:eth0", "c4:eth0"])
        #expect(next.dataplane.links == Set(["c1", "c3", "c4"].map { id($0).link }))
    }

    // A chain's `tuning` with another MAC: the pod could not be reached, and nobody said why.
    @Test("CHECK says which plugin must not change the MAC, and how it is asked for")
    func otherMAC() throws {
        let bench = try PodBench("192.0.2.0/29")
        let result = try #require(try bench.call("ADD").document)
        let mac = try #require(bench.record("c1")?.attachment.podMAC.description)
        let other = "\(result)".replacing(mac, with: "02:00:00:00:00:01")
        let failure = try bench.call("CHECK", more: #","prevResult":\#(other)"#).failure
        #expect(failure?.details.contains("ask for it by the capability “mac”") == true)
    }

    @Test("CHECK compares prevResult with what was made")
    func previous() throws {
        let bench = try PodBench("192.0.2.0/29", "2001:db8::/64")
        let result = try #require(try bench.call("ADD").document)
        func check(_ previous: String) throws -> Failure? {
            try bench.call("CHECK", more: #","prevResult":\#(previous)"#).failure
        }
        #expect(try check("\(result)") == nil)
        #expect(try check("{}") == nil)
        let other = "\(result)".replacing("192.0.2.1/32", with: "192.0.2.2/32")
        #expect(try check(other)?.code == .differs)
        #expect(try check(other)?.details == "the address 192.0.2.1 is missing in its ips")
        let mac = try #require(bench.record("c1")?.attachment.podMAC.description)
        #expect(try check("\(result)".replacing(mac, with: "02:00:00:00:00:01"))?.code == .differs)
    }
}

extension KernelTests {
    @Suite("pods that went without a DEL")
    struct ForgottenPodKernelTests {
        @Test("their attachments end when their namespace is gone, at a start and at the next look; live ones stay")
        func ended() throws {
            let node = try TestNode()
            try node.start()
            let live = try PodProcess()
            defer { live.end() }
            #expect(try node.call("ADD", "live", "/proc/\(live.holder)/ns/net").status == 0)
            do {
                let dead = try PodProcess()
                #expect(try node.call("ADD", "dead", "/proc/\(dead.holder)/ns/net").status == 0)
                node.stop(by: SIGKILL)
                dead.end()
            }
            // The kernel takes a namespace's links away some time after its last process.
            try eventually("the link is gone") { try node.podLinks() == [id("live").link] }
            try node.start()
            try eventually("its record is gone; there are \(node.attachments)\n\(node.log)") { node.attachments == ["live:eth0"] }
            #expect(node.directory.names(in: "state/resting").count == 2)
            #expect(node.status.problems == [])
        }

        /// What changes the disk, the kernel or what a runtime hears.
        private static let telling: Set<String> = [
            "openat", "write", "rename", "unlink", "mkdir", "fsync", "close", "sendto", "sendmsg",
        ]

        /// The names of the calls that change something, while a verb is carried out by an agent that runs.
        private func calls(_ node: TestNode, _ verb: String, _ pod: NetworkNamespace) throws -> [String] {
            let path = "\(node.directory.path)/trace"
            let tracer = try node.attach([
                "strace", "-f", "-qq", "-o", path, "-e", "trace=\(Self.telling.sorted().joined(separator: ","))",
            ])
            #expect(try node.call(verb, "c1", pod.path).status == 0)
            // The traced one first: the tracer would wait for threads that rest.
            node.bury()
            _ = tracer.end(by: SIGTERM)
            try node.start()
            let lines = node.directory.read("trace").split(separator: "\n")
            let names = lines.compactMap { line in
                line.split(separator: " ").dropFirst().first.map { String($0.prefix { $0 != "(" }) }
            }
            return Self.telling.intersection(names).sorted()
        }

        // strace counts the calls of each name by themselves, and each thread's: one sweep over all names at once ends with the name
        // that is called most.
        @Test(
            "killed at every system call of an ADD and a DEL, no address leaks and none has two holders", .timeLimit(.minutes(20))
        )
        func everyCall() throws {
            let node = try TestNode()
            try node.start()
            let (first, pod) = (try NetworkNamespace.new(), try NetworkNamespace.new())
            try node.add("c0", first)
            let before = try node.whole()
            var kills: [String: Int] = [:]
            let names = try ["ADD", "DEL"].map { ($0, try calls(node, $0, pod)) }
            #expect(
                names.allSatisfy { !Set($0.1).isDisjoint(with: ["sendto", "sendmsg"]) && $0.1.contains("unlink") }, "\(names)")
            for (verb, name) in names.flatMap({ pair in pair.1.map { (pair.0, $0) } }) {
                var count = 1
                while try isKilled(node, verb, pod, before: "\(name):signal=KILL:when=\(count)", back: before) {
                    kills["\(verb) \(name)", default: 0] += 1
                    count += 1
                }
            }
            #expect(kills.values.reduce(0, +) >= 30, "the sweeps ended too early: \(kills)")
        }

        /// Kills the agent at a moment of a call, and looks at what a new one and a runtime's DEL make of it.
        ///
        /// - Returns: whether there was such a moment.
        private func isKilled(
            _ node: TestNode, _ verb: String, _ pod: NetworkNamespace, before call: String, back before: String
        ) throws -> Bool {
            if verb == "DEL" { try node.add("c1", pod) }
            let name = call.prefix { $0 != ":" }
            let tracer = try node.attach([
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(name)", "-e", "inject=\(call)",
            ])
            let outcome = try node.call(verb, "c1", pod.path)
            // The courier sees its agent gone before the agent's parent does.
            if outcome.output.contains(#""code":11"#) { try eventually("the agent is over") { node.hasEnded } }
            let wasKilled = node.hasEnded
            node.bury()
            _ = tracer.end(by: SIGTERM)
            try node.start()
            let moment = "\(verb), \(call)"
            let records = node.attachments.compactMap {
                AttachmentRecord(bytes: Array(node.directory.read("state/attachments/\($0)").utf8))
            }
            let held = records.flatMap(\.attachment.addresses)
            #expect(Set(held).count == held.count && records.count == node.attachments.count, "\(moment)")
            #expect(try Set(node.podLinks()) == Set(records.map(\.attachment.link)), "\(moment)")
            #expect(try node.call("DEL", "c1", pod.path) == .quiet, "\(moment)")
            try #require(try node.whole() == before, "\(moment)")
            return wasKilled
        }
    }
}
