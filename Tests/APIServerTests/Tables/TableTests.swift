import KubeAPI
import Testing

@testable import APIServer

@Suite struct TableTests {
    static let now = APIServer.Timestamp(seconds: 1_000_000_000)

    /// The table as kubectl prints it: headers, then a line per object; wide columns in parentheses.
    static func text(_ kind: ServedKind, _ objects: [JSONValue]) -> [String] {
        let table = Table(of: objects, kind, now: now)
        let header = table.columns.map { $0.priority > 0 ? "(\($0.name))" : $0.name }.joined(separator: " | ")
        return [header] + table.rows.map { $0.cells.map { $0.string ?? $0.description }.joined(separator: " | ") }
    }

    @Test(
        "a pod is summed up in kubectl's words",
        arguments: [
            (#"{"phase": "Pending"}"#, "0/2 Pending 0"),
            (
                #"{"phase": "Running", "containerStatuses": [{"ready": true, "state": {"running": {}}}, {"ready": true, "restartCount": 3, "state": {"running": {}}, "lastState": {"terminated": {"finishedAt": "2001-09-09T01:41:40Z"}}}]}"#,
                "2/2 Running 3 (5m ago)"
            ),
            (
                #"{"phase": "Running", "containerStatuses": [{"restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}, {"ready": true, "state": {"running": {}}}]}"#,
                "1/2 CrashLoopBackOff 2"
            ),
            (
                #"{"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}"#,
                "0/2 ContainerCreating 0"
            ),
            (
                #"{"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}"#,
                "0/2 Completed 0"
            ),
            (#"{"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 7}}}]}"#, "0/2 ExitCode:7 0"),
            (
                #"{"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 137, "signal": 9}}}]}"#,
                "0/2 Signal:9 0"
            ),
            (#"{"phase": "Failed", "reason": "Evicted"}"#, "0/2 Evicted 0"),
            (#"{"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}"#, "0/2 Init:0/1 0"),
            (
                #"{"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}"#,
                "0/2 Init:ImagePullBackOff 0"
            ),
            (
                #"{"phase": "Pending", "initContainerStatuses": [{"name": "i", "restartCount": 4, "state": {"terminated": {"exitCode": 1}}}]}"#,
                "0/2 Init:ExitCode:1 4"
            ),
            (
                #"{"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}}], "containerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}]}"#,
                "0/2 PodInitializing 0"
            ),
            (
                #"{"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}, {"ready": true, "state": {"running": {}}}]}"#,
                "1/2 NotReady 0"
            ),
            (
                #"{"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}"#,
                "0/2 SchedulingGated 0"
            ),
        ])
    func pods(status: String, line: String) {
        let pod: JSONValue = [
            "spec": tree(#"{"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}"#),
            "status": tree(status),
        ]
        let summary = PodSummary(pod, Self.now)
        #expect("\(summary.ready)/\(summary.total) \(summary.status) \(summary.restarts)" == line)
    }

    @Test("a pod that goes away is Terminating, unless it is over or its node is lost")
    func terminating() {
        func status(_ status: String) -> String {
            PodSummary(["metadata": ["deletionTimestamp": "2001-09-09T01:46:40Z"], "status": tree(status)], Self.now).status
        }
        #expect(status(#"{"phase": "Running"}"#) == "Terminating")
        #expect(status(#"{"phase": "Running", "reason": "NodeLost"}"#) == "Unknown")
        #expect(status(#"{"phase": "Succeeded"}"#) == "Succeeded")
    }

    static let metadata = #""metadata": {"name": "web", "creationTimestamp": "2001-09-09T00:46:40Z"}"#

    static let golden: [(kind: String, body: String, header: String, line: String)] = [
        (
            "Deployment",
            #""spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}}, "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}"#,
            "Name | Ready | Up-to-date | Available | Age | (Containers) | (Images) | (Selector)",
            "web | 2/3 | 3 | 1 | 60m | a,b | x,y | app=web"
        ),
        (
            "Service",
            #""spec": {"type": "NodePort", "clusterIP": "10.96.0.1", "selector": {"b": "2", "a": "1"}, "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}"#,
            "Name | Type | Cluster-IP | External-IP | Port(s) | Age | (Selector)",
            "web | NodePort | 10.96.0.1 | <none> | 80:30080/TCP,53/UDP | 60m | a=1,b=2"
        ),
        (
            "Service", #""spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.1"}"#,
            "Name | Type | Cluster-IP | External-IP | Port(s) | Age | (Selector)",
            "web | LoadBalancer | 10.96.0.1 | <pending> | <none> | 60m | <none>"
        ),
        (
            "Node",
            #""spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}], "nodeInfo": {"kubeletVersion": "v1"}}"#,
            "Name | Status | Roles | Age | Version | (Internal-IP) | (External-IP) | (OS-Image) | (Kernel-Version) | (Container-Runtime)",
            "web | Ready,SchedulingDisabled | <none> | 60m | v1 | 192.0.2.1 | <none> | <unknown> | <unknown> | <unknown>"
        ),
        ("Namespace", #""status": {"phase": "Active"}"#, "Name | Status | Age", "web | Active | 60m"),
        ("ConfigMap", #""data": {"a": "1"}, "binaryData": {"b": ""}"#, "Name | Data | Age", "web | 2 | 60m"),
        ("Secret", #""type": "Opaque", "data": {"a": ""}"#, "Name | Type | Data | Age", "web | Opaque | 1 | 60m"),
        (
            "Endpoints",
            #""subsets": [{"addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}], "ports": [{"port": 80}, {"port": 81}]}]"#,
            "Name | Endpoints | Age", "web | 192.0.2.1:80,192.0.2.1:81,[2001:db8::1]:80 + 1 more... | 60m"
        ),
        (
            "EndpointSlice", #""addressType": "IPv4", "endpoints": []"#, "Name | AddressType | Ports | Endpoints | Age",
            "web | IPv4 | <unset> | <unset> | 60m"
        ),
        (
            "NetworkPolicy", #""spec": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}"#,
            "Name | Pod-Selector | Age", "web | a | 60m"
        ),
        (
            "Ingress",
            #""spec": {"ingressClassName": "c", "tls": [{}], "rules": [{"host": "a.example.org"}]}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}"#,
            "Name | Class | Hosts | Address | Ports | Age", "web | c | a.example.org | 192.0.2.9 | 80, 443 | 60m"
        ),
        ("StatefulSet", #""spec": {"replicas": 2}"#, "Name | Ready | Age | (Containers) | (Images)", "web | 0/2 | 60m |  | "),
        ("Lease", #""spec": {"holderIdentity": "n1"}"#, "Name | Holder | Age", "web | n1 | 60m"),
        (
            "Event",
            #""type": "Normal", "reason": "Started", "message": "a", "lastTimestamp": "2001-09-09T01:46:35Z", "firstTimestamp": "2001-09-09T01:45:40Z", "count": 4, "involvedObject": {"kind": "Pod", "name": "p"}, "source": {"component": "kubelet", "host": "n1"}"#,
            "Last Seen | Type | Reason | Object | (Subobject) | (Source) | Message | (First Seen) | (Count) | (Name)",
            "5s | Normal | Started | pod/p |  | kubelet, n1 | a | 60s | 4 | web"
        ),
        ("Role", #""rules": []"#, "Name | Created At", "web | 2001-09-09T00:46:40Z"),
        (
            "ClusterRoleBinding",
            #""roleRef": {"kind": "ClusterRole", "name": "a"}, "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "namespace": "n", "name": "s"}, {"kind": "ServiceAccount", "namespace": "n", "name": "t"}]"#,
            "Name | Role | Age | (Users) | (Groups) | (ServiceAccounts)", "web | ClusterRole/a | 60m | u |  | n/s, n/t"
        ),
        ("CustomResourceDefinition", #""spec": {}"#, "Name | Created At", "web | 2001-09-09T00:46:40Z"),
    ]

    @Test("each kind has the columns people know", arguments: golden)
    func tables(row: (kind: String, body: String, header: String, line: String)) throws {
        let object = tree("{\(Self.metadata), \(row.body)}")
        #expect(Self.text(try served(row.kind), [object]) == [row.header, row.line])
    }

    @Test("every kind has as many cells as columns, also for an empty object", arguments: ServedKinds.all.map(\.kind))
    func widths(kind: String) throws {
        for object in [tree("{}"), tree(#"{"spec": [], "status": 3, "metadata": "x"}"#)] {
            let table = Table(of: [object], try served(kind), now: Self.now)
            #expect(table.rows[0].cells.count == table.columns.count)
        }
    }

    @Test("a definition's columns are filled by their paths")
    func custom() throws {
        let kind = try #require(ServedKind(crd: ["spec": tree(Sample.definitionSpec)]))
        let boat = tree(
            #"{"metadata": {"name": "a"}, "spec": {"crew": 3, "built": "2001-09-09T01:46:30Z"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}"#
        )
        #expect(
            Self.text(kind, [boat, tree("{}")]) == [
                "Name | Crew | Ready | (Built)", "a | 3 | True | 10s", " | null | null | null",
            ])
    }

    @Test("a table carries of each object what was asked for", arguments: Table.Inclusion.allCases)
    func inclusion(of inclusion: Table.Inclusion) throws {
        let object = tree(#"{"kind": "Pod", "metadata": {"name": "a"}}"#)
        let row = Table(of: [object], try served("Pod"), now: Self.now).tree(including: inclusion)["rows"]?.array?.first
        switch inclusion {
        case .none: #expect(row?["object"] == nil)
        case .object: #expect(row?["object"] == object)
        case .metadata: #expect(row?["object"]?["kind"] == "PartialObjectMetadata" && row?["object"]?["metadata"]?["name"] == "a")
        }
    }

    @Test(
        "an age is coarse where it is long",
        arguments: [
            (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (192, "3m12s"), (600, "10m"), (10_799, "179m"),
            (10_800, "3h"), (18_420, "5h7m"), (28_800, "8h"), (172_799, "47h"), (172_800, "2d"), (273_600, "3d4h"),
            (691_200, "8d"),
            (63_072_000, "2y"), (96_336_000, "3y20d"), (283_824_000, "9y"),
        ])
    func ages(seconds: Int64, text: String) {
        #expect(Age.text(seconds) == text)
    }
}
