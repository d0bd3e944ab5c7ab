import Addressing
import Cluster
import HostNetwork
import KubeAPI
import NFTables
import NIOPosix
import Plan
import Synchronization
import Testing

@testable import Agent

@Suite("what leads to a node's own name server", .timeLimit(.minutes(2)))
struct LocalNameKeeperTests {
    @Test("a pod that is attached, or goes, waits for no server that begins or ends")
    func meanwhile() throws {
        let pods = NIOThreadPool(numberOfThreads: 1)
        pods.start()
        defer { try? pods.syncShutdownGracefully() }
        let server = Server(pods)
        let keeper = LocalNameKeeper(
            ServiceIndex.Name(namespace: "kube-system", name: "kube-dns"),
            configMap: ObjectKey(ConfigMap.resource.kind, namespace: "kube-system", name: "kube-dns"), node: "n1",
            policies: nil, serving: server, loopback: Loopback()
        ) { MemoryTables() }
        let web = PolicyTenant(
            id: id("web"), pod: ObjectKey(Pod.resource.kind, namespace: "shop", name: "web"), uid: "",
            addresses: [try ip("10.244.1.2")])
        server.attach = {
            keeper.admit(web)
            keeper.release(web.id)
        }
        for address in ["10.96.0.10", "10.96.0.11"] {
            let text = """
                {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system"},
                 "spec": {"clusterIPs": ["\(address)"], "ports": [{"name": "dns", "protocol": "UDP", "port": 53}]}}
                """
            var services = ServiceIndex()
            _ = services.set(try #require(Registry.standard.read(try JSONReader().value(text)).object as? Service))
            keeper.settle(services, isWhole: true)
            #expect(keeper.problems == [])
            #expect(try keeper.servers == [ip(address)])
        }
        keeper.settle(ServiceIndex(), isWhole: false)
        #expect(keeper.servers == [])
        keeper.end()
        #expect(
            server.log == ["10.96.0.10", "attached", "10.96.0.11", "attached", "", "attached", "", "attached", "", "attached"])
    }

    /// Begins and ends once a pod was attached meanwhile, or was not for far too long.
    private final class Server: LocalNameServing {
        private let threads: NIOThreadPool
        private let state = Mutex((log: [String](), attach: {} as @Sendable () -> Void))

        init(_ threads: NIOThreadPool) { self.threads = threads }

        var log: [String] { state.withLock { $0.log } }
        var attach: @Sendable () -> Void {
            get { state.withLock { $0.attach } }
            set { state.withLock { $0.attach = newValue } }
        }

        func serve(at addresses: [IPAddress]) throws {
            let (attach, count) = state.withLock { state in
                state.log.append(addresses.map(\.description).joined(separator: " "))
                return (state.attach, state.log.count)
            }
            threads.submit { [self] _ in
                attach()
                state.withLock { $0.log.append("attached") }
            }
            try eventually("the pod is attached", within: .seconds(10)) { log.count > count }
        }

        var problems: [Problem] { [] }
        var isConfigured: Bool { true }
        func uid(of key: ObjectKey) -> String? { nil }
        func admit(_ tenant: PolicyTenant) {}
        func release(_ tenant: PolicyTenant) {}
    }

    private struct Loopback: LoopbackHolding {
        func hold(_ addresses: Set<IPAddress>, resting: Set<IPAddress>) throws -> [HostNetwork.Change] { [] }
    }
}
