import Addressing
import CLinux
import Cluster
import Glibc
import KubeAPI
import Netlink
import Plan

extension PoliciesBenchmark {
    /// What it costs to know who of a node's pods may ask its name server: 110 of 10,000 pods, under 5,000 policies.
    static func names() throws {
        var index = PolicyIndex(node: "n1")
        index.replace(with: try objects())
        _ = index.takeChanges()
        var rights = NameRights(node: "n1")
        var snapshot = Snapshot()
        // Two of the cluster's pods stand for its name servers, and then two others.
        func ports(_ first: Int) throws -> [ServicePort] {
            snapshot.replace(
                with: try nameServer(at: [first, first + 1].map { pod($0, in: 0, node: "n2", app: 1).status.podIPs[0] }))
            return snapshot.services.ports(of: ServiceIndex.Name(namespace: "kube-system", name: "kube-dns"))
        }
        func cost(_ body: () throws -> Void) rethrows -> Double {
            let begin = seconds(CLOCK_PROCESS_CPUTIME_ID)
            try body()
            return seconds(CLOCK_PROCESS_CPUTIME_ID) - begin
        }
        let addresses = index.localAddresses().count
        let (one, other) = (try ports(1), try ports(3))
        guard one.count == 2, one != other else { throw KernelError(.inputOutput, "make a name server: its ports are \(one)") }
        rights.use(one)
        let first = cost { rights.settle(index) }
        let moved = (0..<20).map { turn in
            cost {
                rights.use(turn % 2 == 0 ? other : one)
                rights.settle(index)
            }
        }
        func change(_ object: any KubernetesObject) -> Double {
            index.set(object)
            _ = index.takeChanges()
            return cost {
                rights.mark(object)
                if rights.hasChanges { rights.settle(index) }
            }
        }
        let far = (0..<200).map { change(pod(40_000 + $0, in: $0 % 200, node: "n2", app: $0 % 10)) }
        let here = (0..<100).map { change(pod(41_000 + $0, in: 1 + $0 % 199, node: "n1", app: $0 % 10)) }
        let policies = try (0..<100).map { change(try policy(25 + $0, in: 1 + $0 % 199)) }
        print("names: who of a node's \(addresses) addresses may ask, among the same pods and policies")
        print("  all of them  \(rounded(first * 1e3)) ms CPU at first, \(Figures(moved).microseconds) when a name server moves")
        print("  a pod more   \(Figures(far).microseconds) CPU elsewhere, \(Figures(here).microseconds) on this node")
        print("  a policy     \(Figures(policies).microseconds) CPU")
    }

    private static func nameServer(at addresses: [IPAddress]) throws -> [any KubernetesObject] {
        let metadata: JSONValue = ["name": "kube-dns", "namespace": "kube-system"]
        let transports = ["UDP", "TCP"]
        let service: JSONValue = [
            "metadata": metadata,
            "spec": [
                "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ipFamilies": ["IPv4"],
                "ports": .array(transports.map { ["name": .string($0.lowercased()), "protocol": .string($0), "port": 53] }),
            ],
        ]
        let slice: JSONValue = [
            "metadata": [
                "name": "kube-dns-1", "namespace": "kube-system", "labels": ["kubernetes.io/service-name": "kube-dns"],
            ],
            "addressType": "IPv4",
            "endpoints": .array(
                addresses.map { ["addresses": [.string("\($0)")], "conditions": ["ready": true], "nodeName": "n2"] }),
            "ports": .array(transports.map { ["name": .string($0.lowercased()), "protocol": .string($0), "port": 53] }),
        ]
        var fields = FieldReader(service)
        let read = Service(reading: &fields)
        fields = FieldReader(slice)
        return [read, EndpointSlice(reading: &fields)]
    }
}
