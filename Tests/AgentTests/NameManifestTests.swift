import Addressing
import Glibc
import KubeAPI
import Logging
import NameServer
import Plan
import Testing

@testable import Agent
@testable import KubeClient

/// deploy/tulle-dns.yaml, as a cluster would read it.
@Suite("the name server's manifest for a cluster")
struct NameManifestTests {
    private let documents: [JSONValue]

    init() throws {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        guard case .text(let text) = FollowedFile.read("\(root)/deploy/tulle-dns.yaml") else { throw Broken("no manifest") }
        documents = try YAMLReader.documents(text).map(\.value)
    }

    private func document(_ kind: String) throws -> JSONValue {
        try #require(documents.first { $0["kind"]?.string == kind }, "no \(kind)")
    }

    private func container() throws -> JSONValue {
        try #require(document("Deployment")[at: "spec", "template", "spec", "containers"]?.array?.first)
    }

    private func texts(_ value: JSONValue?) -> [String] { (value?.array ?? []).compactMap(\.string) }

    @Test("grants what the server follows, however it is configured, to read, and nothing else")
    func rights() throws {
        var followed: Set<String> = ["/nodes"]
        for pods in NameSettings.PodRecords.allCases {
            for knowsClients in [false, true] {
                let feed = NameFeed(NamePlan(NameSettings(pods: pods)), knowsClients: knowsClients)
                followed.formUnion(feed.collections.map { "\($0.resource.kind.group)/\($0.resource.plural)" })
            }
        }
        let rules = try #require(try document("ClusterRole")["rules"]?.array)
        let granted = rules.flatMap { rule in
            texts(rule["apiGroups"]).flatMap { group in texts(rule["resources"]).map { "\(group)/\($0)" } }
        }
        #expect(granted.sorted() == followed.sorted())
        for rule in rules { #expect(texts(rule["verbs"]) == ["get", "list", "watch"]) }
    }

    @Test("its objects belong together: account, role, binding, service and pods that it selects")
    func together() throws {
        #expect(
            documents.compactMap { $0["kind"]?.string } == [
                "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "Service", "Deployment",
            ])
        for document in documents {
            // What nodes look for too has the name that they know.
            let isShared = ["Service", "ConfigMap"].contains(document["kind"]?.string)
            let isOfCluster = document["kind"]?.string?.hasPrefix("ClusterRole") == true
            #expect(document[at: "metadata", "namespace"] == (isOfCluster ? nil : "kube-system"))
            #expect(document[at: "metadata", "name"]?.string == (isShared ? "kube-dns" : "tulle-dns"))
        }
        let binding = try document("ClusterRoleBinding")
        #expect(binding[at: "roleRef", "kind"] == "ClusterRole" && binding[at: "roleRef", "name"] == "tulle-dns")
        let subject = try #require(binding["subjects"]?.array?.first)
        #expect(
            subject["kind"] == "ServiceAccount" && subject["name"] == "tulle-dns" && subject["namespace"] == "kube-system")
        let deployment = try document("Deployment")
        let labels = deployment[at: "spec", "template", "metadata", "labels"]
        #expect(deployment[at: "spec", "selector", "matchLabels"] == labels)
        #expect(try document("Service")[at: "spec", "selector"] == labels && labels == ["k8s-app": "kube-dns"])
        let pod = try #require(deployment[at: "spec", "template", "spec"])
        #expect(pod["serviceAccountName"] == "tulle-dns" && pod["dnsPolicy"] == "Default")
        let volume = try #require(pod["volumes"]?.array?.first)
        #expect(volume[at: "configMap", "name"] == "kube-dns")
        #expect(try container()["volumeMounts"]?.array?.first?["name"] == volume["name"])
    }

    @Test("the service leads to where the pods listen, by both transports")
    func ports() throws {
        let wanted = ["dns 53 UDP", "dns-tcp 53 TCP", "metrics 9153 TCP"]
        let service = try #require(try document("Service")[at: "spec", "ports"]?.array)
        #expect(
            service.map { "\($0["name"]?.string ?? "") \($0["port"]?.number?.integer ?? 0) \($0["protocol"]?.string ?? "")" }
                == wanted)
        #expect(service.allSatisfy { $0["targetPort"] == nil })
        let listening = try #require(try container()["ports"]?.array)
        #expect(
            listening.map {
                "\($0["name"]?.string ?? "") \($0["containerPort"]?.number?.integer ?? 0) \($0["protocol"]?.string ?? "")"
            } == wanted)
        let security = try container()["securityContext"]
        #expect(security?[at: "capabilities", "add"] == ["NET_BIND_SERVICE"] && security?[at: "capabilities", "drop"] == ["ALL"])
    }

    @Test("its configuration is read by our own reader, and is where the arguments say")
    func configuration() throws {
        let text = try #require(try document("ConfigMap")[at: "data", "names.yaml"]?.string)
        let configuration = try NameServerConfiguration(text)
        #expect(configuration.pods == .insecure && configuration.resolverFile == "/etc/resolv.conf")
        let arguments = texts(try container()["args"])
        let file = try #require(arguments.firstIndex(of: "--config").map { arguments[$0 + 1] })
        #expect(try container()["volumeMounts"]?.array?.first?["mountPath"]?.string.map { "\($0)/names.yaml" } == file)
    }
}

extension KernelTests {
    @Suite("a name server started as its manifest says", .timeLimit(.minutes(5)))
    struct NameManifestServedTests {
        @Test("it understands its arguments, and its probes are answered where it shows itself")
        func probes() throws {
            let names = try NameProgram()
            let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
            guard case .text(let text) = FollowedFile.read("\(root)/deploy/tulle-dns.yaml") else { throw Broken("no manifest") }
            let documents = try YAMLReader.documents(text).map(\.value)
            let deployment = try #require(documents.first { $0["kind"] == "Deployment" })
            let container = try #require(deployment[at: "spec", "template", "spec", "containers"]?.array?.first)
            let arguments = (container["args"]?.array ?? []).compactMap(\.string)
            #expect(Array(arguments.prefix(3)) == ["dns", "serve", "--config"])
            // The file is another one here, and so are the objects.
            try names.start(Array(arguments.dropFirst(4)))
            for probe in ["readinessProbe", "livenessProbe"] {
                let path = try #require(container[at: probe, "httpGet", "path"]?.string)
                let port = try #require(container[at: probe, "httpGet", "port"]?.number?.integer)
                #expect(try names.page(path, UInt16(port))?.status == 200, "\(probe)")
            }
            #expect(try names.page("/metrics", 9153)?.status == 200)
            let grace = deployment[at: "spec", "template", "spec", "terminationGracePeriodSeconds"]?.number?.integer
            #expect(try #require(grace) > 5, "it serves on for five seconds")
        }
    }
}
