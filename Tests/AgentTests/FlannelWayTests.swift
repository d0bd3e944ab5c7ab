import Addressing
import CNI
import Glibc
import HostNetwork
import NFTables
import NFTablesKernel
import Netlink
import Plan
import Testing

@testable import Agent

extension KernelTests {
    @Suite("beside flannel's plugin")
    struct FlannelWayTests {
        /// Debian's `bridge` and `host-local`, told what flannel's plugin would tell them by the agent's file.
        private struct Delegate {
            let node: TestNode
            let configuration: String

            init(on node: TestNode) throws {
                self.node = node
                let path = node.directory.path
                try eventually("flannel's file; there is \(node.log)") { Disk.isThere("\(path)/subnet.env") }
                let facts = Dictionary(
                    uniqueKeysWithValues: node.directory.read("subnet.env").split(separator: "\n").map {
                        let pair = $0.split(separator: "=", maxSplits: 1)
                        return (String(pair[0]), String(pair[1]))
                    })
                let subnet = try #require(facts["FLANNEL_SUBNET"])
                // As the plugin does it: what the agent masquerades, its delegate must not.
                let masquerades = facts["FLANNEL_IPMASQ"] == "false"
                configuration = """
                    {"cniVersion":"0.3.1","name":"cbr0","type":"bridge","mtu":\(facts["FLANNEL_MTU"] ?? ""),"isGateway":true,\
                    "ipMasq":\(masquerades),"isDefaultGateway":true,"hairpinMode":true,"ipam":{"type":"host-local",\
                    "dataDir":"\(path)/ipam","ranges":[[{"subnet":"\(subnet.replacing(".1/", with: ".0/"))"}]],\
                    "routes":[{"dst":"\(facts["FLANNEL_NETWORK"] ?? "")"}]}}
                    """
            }

            func call(_ verb: String, _ pod: PodProcess) throws -> Program.Outcome {
                try Program(
                    [
                        try Program.product("tulle-pod"), "run", "--join", node.holder, "--namespaces", "net", "--",
                        "/usr/lib/cni/bridge",
                    ],
                    environment: [
                        "CNI_COMMAND": verb, "CNI_CONTAINERID": "c\(pod.holder)", "CNI_IFNAME": "eth0",
                        "CNI_NETNS": "/proc/\(pod.holder)/ns/net", "CNI_PATH": "/usr/lib/cni",
                    ]
                ).finish(configuration)
            }

            func add(_ pod: PodProcess) throws -> IPAddress {
                let outcome = try call("ADD", pod)
                try #require(outcome.status == 0, "\(outcome)")
                let document = try #require(outcome.document)
                let result = try AttachmentResult(json: document)
                return try ip(#require(result.addresses.first))
            }
        }

        private func launch(_ node: TestNode, _ options: String...) throws {
            try node.launch(
                options: ["--parts", "overlay", "--flannel-env", "\(node.directory.path)/subnet.env"] + options)
        }

        @Test(
            "Debian's bridge and host-local attach pods to the overlay, and these keep their source to pods and nodes, not to the world"
        )
        func sources() throws {
            let world = try RoutedNodes(2)
            for node in world.nodes { try launch(node, "--backend", "vxlan") }
            let pods = try world.nodes.map { _ in try PodProcess() }
            defer { for pod in pods { pod.end() } }
            let delegates = try world.nodes.map(Delegate.init)
            let own = try zip(delegates, pods).map { try $0.add($1) }
            let far = world.nodes[1].namespace
            func source(to address: IPAddress, in namespace: NetworkNamespace) throws -> IPAddress {
                let target = try Datagrams(in: namespace, at: address.mapped, port: 4100)
                try Datagrams(in: pods[0].namespace, at: own[0].mapped).send("hello", to: address.mapped, port: 4100)
                return try target.receive().source.unmapped
            }
            #expect(try source(to: own[1], in: pods[1].namespace) == own[0])
            #expect(try source(to: world.address(of: 2, .v4), in: far) == own[0])
            #expect(try source(to: ip("192.0.2.62"), in: world.router.namespace) == world.address(of: 1, .v4))
            for (delegate, pod) in zip(delegates, pods) { #expect(try delegate.call("DEL", pod).status == 0) }

            // Where the agent is not to, the delegate does, and the agent's tables go.
            let node = world.nodes[0]
            node.stop()
            node.directory.remove("subnet.env")
            try launch(node, "--backend", "vxlan", "--masquerade", "no")
            try eventually("the tables go; \(node.log)") { try KernelTables(in: node.namespace).tables().isEmpty }
            // Written beside the tables, not before them.
            try eventually("the delegate is told; \(node.log)") {
                node.directory.read("subnet.env").contains("FLANNEL_IPMASQ=false")
            }
        }
    }
}
