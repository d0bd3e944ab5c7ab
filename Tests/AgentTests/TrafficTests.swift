import Addressing
import Glibc
import HostNetwork
import HostNetworkKernel
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    /// Nodes n1 and n3 are on one wire and have a pod each; n2 and n4 are behind the router.
    @Suite("under traffic", .timeLimit(.minutes(5)))
    struct TrafficTests {
        private final class Scene {
            let world: RoutedNodes
            let pods: [RoutedPod]
            var members: [TestNode] { [world.nodes[0], world.nodes[2]] }

            init(_ options: [String], numbers: [Int] = [1, 2, 3]) throws {
                world = try RoutedNodes(4)
                try world.write(numbers)
                for node in [world.nodes[0], world.nodes[2]] {
                    // Else some packets are dropped while the two ends differ; see docs/decisions/0009.
                    try node.change(
                        .add(.sysctl(Sysctl("net/ipv4/conf/all/rp_filter", "0"))),
                        .add(.sysctl(Sysctl("net/ipv4/conf/eth0/rp_filter", "0"))))
                }
                try Self.start([world.nodes[0], world.nodes[2]], options)
                pods = try [RoutedPod("a", on: world.nodes[0]), RoutedPod("b", on: world.nodes[2])]
            }

            static func start(_ nodes: [TestNode], _ options: [String]) throws {
                for node in nodes { try node.launch(options: options) }
                for node in nodes {
                    try eventually("the agent of \(node.name) is ready\n\(node.log)") { node.status.rounds > 0 && node.isReady }
                }
            }

            func end(_ index: Int, _ family: IPFamily) throws -> (NetworkNamespace, IPAddress) {
                (pods[index].namespace, try pods[index].address(family))
            }

            func exchange(_ family: IPFamily) throws -> LongExchange {
                try LongExchange(from: pods[0].namespace, to: end(1, family))
            }

            func datagrams(_ family: IPFamily) throws -> DatagramStream {
                try DatagramStream(from: end(0, family), to: end(1, family))
            }
        }

        /// The connection that was there before goes on.
        private func goesOn(_ exchange: LongExchange, _ moment: String) throws {
            let turns = exchange.turns
            try eventually("\(moment): the connection goes on; \(exchange.trouble ?? "nothing comes")") {
                exchange.turns > turns + 20 || exchange.trouble != nil
            }
            #expect(exchange.trouble == nil, "\(moment)")
        }

        @Test(
            "other nodes come, change their range and their address, and go, and pods in between lose no datagram",
            arguments: [["--backend", "host-gw"], ["--backend", "vxlan"]])
        func others(_ options: [String]) throws {
            let scene = try Scene(options, numbers: [1, 3])
            let exchanges = try [IPFamily.v4, .v6].map(scene.exchange)
            let streams = try [IPFamily.v4, .v6].map(scene.datagrams)
            let here = scene.members[0]
            func write(_ others: String) throws {
                try scene.world.write([1, 3])
                for node in scene.members {
                    try node.directory.write(node.directory.read("objects.yaml") + others, to: "objects.yaml")
                }
            }
            func other(_ number: Int, _ range: Int, at address: Int) -> String {
                """
                ---
                apiVersion: v1
                kind: Node
                metadata: {name: n\(number)}
                spec: {podCIDRs: [10.244.\(range).0/24, "fd00:10:244:\(range)::/64"]}
                status: {addresses: [{type: InternalIP, address: "192.0.2.\(address)"}, {type: InternalIP, address: "2001:db8::\(address)"}]}

                """
            }
            for (moment, text, range) in [
                ("n2 comes", other(2, 2, at: 32), "10.244.2.0/24"),
                ("n4 comes", other(2, 2, at: 32) + other(4, 4, at: 34), "10.244.4.0/24"),
                ("n2 has another range", other(2, 22, at: 32) + other(4, 4, at: 34), "10.244.22.0/24"),
                ("n2 has another address", other(2, 22, at: 42) + other(4, 4, at: 34), "192.0.2.42"),
                ("n4 has n2's range", other(4, 22, at: 34), "10.244.22.0/24"),
            ] {
                try write(text)
                try eventually("\(moment)\n\(here.log.suffix(1500))") {
                    try here.network().contains(range) && here.tables().contains(range)
                }
                for exchange in exchanges { try goesOn(exchange, moment) }
            }
            try scene.world.write([1, 3])
            try eventually("all are gone") { try !here.network().contains("10.244.22.0") }
            for exchange in exchanges { try goesOn(exchange, "all are gone") }
            for stream in streams {
                let (sent, lost) = stream.end()
                #expect(lost == 0, "of \(sent)")
                #expect(sent > 100)
            }
            #expect(scene.members.allSatisfy { $0.status.problems == [] })
        }

        @Test(
            "an agent is killed and started again: nothing is written, no connection lost, no datagram either",
            arguments: [["--backend", "host-gw"], ["--backend", "vxlan"]])
        func killed(_ options: [String]) throws {
            let scene = try Scene(options, numbers: [1, 3])
            // What the kernel learns of its neighbours by itself would be news as well.
            for (node, peer) in [(scene.members[0], UInt64(3)), (scene.members[1], 1)] {
                for family in [IPFamily.v4, .v6] {
                    let address = try scene.world.address(of: Int(peer), family)
                    let neighbour = Object.neighbour(Neighbour(address, on: "eth0", .mac(MACAddress(local: peer))))
                    try node.change(.change(from: neighbour, to: neighbour))
                }
            }
            let exchanges = try [IPFamily.v4, .v6].map(scene.exchange)
            let streams = try [IPFamily.v4, .v6].map(scene.datagrams)
            for exchange in exchanges { try goesOn(exchange, "before") }
            let wholes = try scene.members.map { try $0.whole() }
            let ears = try scene.members.map { try QuietTests.Ear($0.namespace) }
            let generations = try scene.members.map { try $0.generation() }
            for round in 1...3 {
                for node in scene.members { #expect(node.stop(by: SIGKILL) == 128 + SIGKILL) }
                for exchange in exchanges { try goesOn(exchange, "without agents, round \(round)") }
                try Scene.start(scene.members, options)
                try eventually("all have looked at everything") {
                    scene.members.allSatisfy { $0.status(in: "state").wholeRounds > 0 }
                }
                for exchange in exchanges { try goesOn(exchange, "with new agents, round \(round)") }
            }
            for ear in ears { #expect(try ear.messages() == []) }
            #expect(try scene.members.map { try $0.generation() } == generations)
            #expect(try scene.members.map { try $0.whole() } == wholes)
            #expect(scene.members.allSatisfy { $0.status.changes == 0 && $0.status.problems == [] })
            for stream in streams {
                let (sent, lost) = stream.end()
                #expect(lost == 0, "of \(sent)")
                #expect(sent > 100)
            }
        }

        /// One agent after the other, as a DaemonSet's roll-out does.
        private func rollOut(_ scene: Scene, _ options: [String]) throws {
            for node in scene.members {
                #expect(node.stop() == 0)
                try node.launch(options: options)
                try eventually("the agent of \(node.name) is ready\n\(node.log)") { node.status.rounds > 0 && node.isReady }
            }
        }

        private static let direct = ["--backend", "vxlan", "--vxlan-direct-routing"]

        @Test(
            "from host gateways to tunnels and back by way of direct routes, every connection goes on",
            arguments: [IPFamily.v4, .v6])
        func smoothly(_ family: IPFamily) throws {
            let scene = try Scene(["--backend", "host-gw"])
            let exchange = try scene.exchange(family)
            for (moment, options) in [
                ("to direct routes", Self.direct), ("to tunnels", ["--backend", "vxlan"]), ("back to direct routes", Self.direct),
                ("back to host gateways", ["--backend", "host-gw"]),
            ] {
                let stream = try scene.datagrams(family)
                try eventually("it flows") { stream.arrived > 20 }
                try rollOut(scene, options)
                try goesOn(exchange, moment)
                let arrived = stream.arrived
                try eventually("\(moment): it flows") { stream.arrived > arrived + 20 }
                let (sent, lost) = stream.end()
                // Where the tunnel is left, its entries go just before the routes change: what is sent between the two is lost.
                let isLeft = moment == "back to direct routes"
                #expect(isLeft ? lost <= sent / 10 : lost == 0, "\(moment): \(lost) of \(sent)")
            }
        }

        @Test(
            "from host gateways to tunnels at once and back, there is a pause and every connection goes on",
            arguments: [IPFamily.v4, .v6])
        func atOnce(_ family: IPFamily) throws {
            let scene = try Scene(["--backend", "host-gw"])
            let exchange = try scene.exchange(family)
            for (moment, options) in [("to tunnels", ["--backend", "vxlan"]), ("back", ["--backend", "host-gw"])] {
                try rollOut(scene, options)
                try goesOn(exchange, moment)
                // Once both have changed nothing more is lost.
                let stream = try scene.datagrams(family)
                try eventually("\(moment): it flows") { stream.arrived > 100 }
                #expect(stream.end().lost == 0, "\(moment)")
            }
        }
    }
}
