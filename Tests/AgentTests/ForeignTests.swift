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
    @Suite("the agent beside others")
    struct ForeignTests {
        /// A change of ours that the agent notices by its own events: everything before it was noticed too.
        private func isAwake(_ node: TestNode) throws {
            let route = try #require(node.host.observe(Interest()).routes.first { $0.proto == PacketPath.routeProtocol })
            let changes = node.status.changes
            try node.change(.remove(.route(route)))
            try eventually("the route is back") {
                try node.status.changes > changes && node.host.observe(Interest([.routes])).routes.contains(route)
            }
        }

        /// Beside kube-proxy and another network the agent compared everything four or five times a second.
        @Test("makes no whole round for what others do: links, addresses, routes, neighbours, tables")
        func churn() throws {
            let node = try TestNode()
            try node.start()
            let pod = try NetworkNamespace.new()
            defer { withExtendedLifetime(pod) {} }
            try node.add("c1", pod)
            try eventually("quiet") { node.status(in: "state").problems == [] }
            try isAwake(node)
            let before = node.status(in: "state")
            let tables = try KernelTables(in: node.namespace)
            for number in 1...50 {
                let link = Link("x\(number)", .veth(peer: Link.Peer("y\(number)")), makesLinkLocal: false)
                let address = try #require(InterfaceAddress("198.51.100.\(number)/32"))
                let route = Route(try net("203.0.113.\(number)/32"), via: try ip("192.0.2.2"), device: "eth0", proto: 186)
                try node.change(
                    .add(.link(link)), .add(.address(Address(address, on: link.name))), .add(.route(route)),
                    .add(.neighbour(Neighbour(try ip("192.0.2.\(100 + number)"), on: "eth0", .mac(MACAddress(local: 7))))))
                let table = Table(.ip, "theirs-\(number)", chains: [Chain("input", .init(.filter, .input, priority: 0))])
                try tables.apply(difference(from: nil, to: table))
                try node.change(.remove(.route(route)), .remove(.link(link)))
            }
            // One for the route that this takes away.
            try isAwake(node)
            let after = node.status(in: "state")
            #expect(after.wholeRounds - before.wholeRounds <= 2, "\(before), then \(after)")
            #expect(after.changes - before.changes == 1, "\(before), then \(after)")
            #expect(after.problems == [])
        }

        @Test("attaches and detaches pods by rounds of their own keys alone")
        func attachments() throws {
            let node = try TestNode()
            try node.start()
            try isAwake(node)
            let before = node.status(in: "state")
            for number in 1...20 {
                let pod = try NetworkNamespace.new()
                try node.add("c\(number)", pod)
                #expect(try node.call("DEL", "c\(number)", pod.path) == .quiet)
            }
            try isAwake(node)
            let after = node.status(in: "state")
            // Of forty calls. A link that ends late, on a machine that is busy, is looked for everywhere.
            #expect(after.wholeRounds - before.wholeRounds <= 8, "\(before), then \(after)")
            #expect(after.changes - before.changes == 1, "\(before), then \(after)")
        }

        /// A mistyped --state took every pod of the node off the network.
        @Test("started with another state directory leaves every pod its link, and says which they are")
        func otherState() throws {
            let node = try TestNode()
            try node.start()
            let pods = try (1...3).map { _ in try NetworkNamespace.new() }
            for (index, pod) in pods.enumerated() { try node.add("c\(index)", pod) }
            let links = try node.podLinks().sorted()
            node.stop()
            let network = try node.network()
            try node.launch(state: "other")
            try eventually("a problem\n\(node.log)") { !node.status(in: "other").problems.isEmpty }
            let problems = node.status(in: "other").problems
            #expect(problems.count == 1)
            #expect(problems.first?.contains("pod-link-unknown: \(links.joined(separator: ", "))") == true, "\(problems)")
            #expect(try node.network() == network)
            // Back to the right one: all is well.
            node.stop()
            try node.start()
            try eventually("no problem; there is \(node.status)") { node.status.problems == [] }
            #expect(try node.network() == network)
            for index in 0..<3 { #expect(try node.call("DEL", "c\(index)", pods[index].path) == .quiet) }
            #expect(try node.podLinks() == [])
        }

        @Test("keeps what it made while its own Node object is away, before and after a restart")
        func nodeUnknown() throws {
            let node = try TestNode()
            try node.start()
            let pod = try NetworkNamespace.new()
            defer { withExtendedLifetime(pod) {} }
            try node.add("c1", pod)
            let whole = try node.whole()
            try node.directory.write(TestNode.objects(2), to: "objects.yaml")
            try eventually("the problem is told") { node.status.problems.contains { $0.contains("node-unknown") } }
            #expect(try node.whole() == whole)
            node.stop(by: SIGKILL)
            try node.launch()
            try eventually("the problem is told again\n\(node.log)") {
                node.status.problems.contains { $0.contains("node-unknown") }
            }
            #expect(try node.whole() == whole)
            #expect(node.status.changes == 0)
            // Its pods can end.
            #expect(try node.call("DEL", "c1", pod.path) == .quiet)
            try node.directory.write(TestNode.objects(1, 2), to: "objects.yaml")
            try eventually("all is well; there is \(node.status)") { node.status.problems == [] }
            try node.add("c1", pod)
        }

        @Test("carries out deletions that waited when their directory changes, and all of them")
        func queue() throws {
            let node = try TestNode()
            try node.start()
            let pods = try (0..<20).map { _ in try NetworkNamespace.new() }
            for (index, pod) in pods.enumerated() { try node.add("c\(index)", pod) }
            node.stop()
            for (index, pod) in pods.enumerated() { #expect(try node.call("DEL", "c\(index)", pod.path) == .quiet) }
            #expect(node.directory.names(in: "state/deletions").count == 20)
            try node.start()
            #expect(try node.podLinks() == [])
            #expect(node.attachments == [])
            #expect(node.directory.names(in: "state/deletions") == [])
        }
    }

    @Suite("tulle agent --clean")
    struct CleaningTests {
        private func clean(_ node: TestNode, _ words: String...) throws -> Program.Outcome {
            try node.tulle(["--clean", "--state", "\(node.directory.path)/state"] + words, log: "clean.log").finish()
        }

        @Test("takes down what Tulle made and nothing else, says so, and finds nothing a second time")
        func whole() throws {
            let node = try TestNode()
            try node.change(
                .add(.route(Route(net("198.51.100.0/24"), via: ip("192.0.2.2"), device: "eth0", proto: 4))),
                .add(.route(Route(net("198.51.101.0/24"), via: ip("192.0.2.2"), device: "eth0", table: 77, proto: 84))))
            let foreign = Table(.ip, "theirs", chains: [Chain("input", .init(.filter, .input, priority: 0))])
            let tables = try KernelTables(in: node.namespace)
            try tables.apply(difference(from: nil, to: foreign))
            let before = try (node.network(), node.tables())
            try node.start()
            let pods = try (1...2).map { _ in try NetworkNamespace.new() }
            defer { withExtendedLifetime(pods) {} }
            for (index, pod) in pods.enumerated() { try node.add("c\(index + 1)", pod) }
            let running = try node.whole()

            let refused = try clean(node)
            #expect(refused.status == 1 && refused.output.isEmpty)
            #expect(node.directory.read("clean.log").contains("another agent"))
            #expect(try node.whole() == running)

            node.stop()
            let outcome = try clean(node)
            #expect(outcome.status == 0, "\(outcome)\n\(node.directory.read("clean.log"))")
            for line in [
                "removed link \(id("c1").link) (c1:eth0, 10.244.1.1, fd00:10:244:1::1)", "removed table ip tulle-pods",
                "removed route 10.244.2.0/24 via 192.0.2.2 dev eth0 proto 84 src 192.0.2.1",
            ] { #expect(outcome.output.contains(line + "\n"), "\(line) is not in\n\(outcome.output)") }
            let forwarding = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"]
            let after = try (node.network(), node.tables())
            #expect(forwarding.reduce(after.0) { $0.replacing("\($1) = 1", with: "\($1) = 0") } == before.0)
            #expect(after.1 == before.1)
            #expect(node.directory.names() == ["clean.log", "log", "objects.yaml"])
            #expect(try clean(node) == Program.Outcome(status: 0, output: "nothing of Tulle is here\n"))
        }

        @Test("leaves links of which nothing is written down unless it is asked for them too")
        func unknown() throws {
            let node = try TestNode()
            try node.start()
            let pod = try NetworkNamespace.new()
            defer { withExtendedLifetime(pod) {} }
            try node.add("c1", pod)
            node.stop()
            let (link, scratch) = (id("c9").link, try NetworkNamespace.new())
            try node.makeLink(link, to: scratch)
            try node.change(.add(.route(Route(net("10.244.1.9/32"), device: link, proto: 84, scope: .link))))
            let outcome = try clean(node)
            #expect(outcome.status == 1)
            #expect(outcome.output.contains("left link \(link), of which no record is in"), "\(outcome)")
            #expect(try node.podLinks() == [link])
            #expect(try node.host.observe(Interest([.routes])).routes.filter { $0.proto == 84 }.map(\.device) == [link])
            let second = try clean(node, "--clean-unknown-links")
            #expect(second.status == 0)
            #expect(second.output.contains("removed link \(link)\n"), "\(second)")
            #expect(try node.podLinks() == [])
        }
    }
}
