import CNI
import Glibc
import KubeAPI
import Plan
import Testing

@testable import Agent
@testable import KubeClient

/// deploy/tulle.yaml, as a cluster would read it.
@Suite("the manifest for a cluster")
struct ManifestTests {
    private let documents: [JSONValue]

    init() throws {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let file = open("\(root)/deploy/tulle.yaml", O_RDONLY)
        defer { close(file) }
        let text = String(decoding: try readToEnd(file, limit: 1 << 20, "the manifest"), as: UTF8.self)
        documents = try YAMLReader.documents(text).map(\.value)
    }

    private func document(_ kind: String) throws -> JSONValue {
        try #require(documents.first { $0["kind"]?.string == kind }, "no \(kind)")
    }

    private func agent() throws -> (pod: JSONValue, container: JSONValue) {
        let pod = try #require(try document("DaemonSet")[at: "spec", "template", "spec"])
        return (pod, try #require(pod["containers"]?.array?.first))
    }

    private func texts(_ value: JSONValue?) -> [String] { (value?.array ?? []).compactMap(\.string) }

    @Test("grants what the agent follows, to read, events and the status of cluster policies, to write, and nothing else")
    func rights() throws {
        let rules = try #require(try document("ClusterRole")["rules"]?.array)
        let collections = AgentSettings(node: "n1", duties: .all).collections
        let followed = collections.filter { $0.namespace == nil }.map(\.resource)
        let written = [["events"], ["clusternetworkpolicies/status"]]
        let (writing, reading) = (
            written.map { words in rules.filter { texts($0["resources"]) == words } },
            rules.filter { !written.contains(texts($0["resources"])) }
        )
        let granted = reading.flatMap { rule in
            texts(rule["apiGroups"]).flatMap { group in texts(rule["resources"]).map { "\(group)/\($0)" } }
        }
        #expect(granted.sorted() == followed.map { "\($0.kind.group)/\($0.plural)" }.sorted())
        for rule in reading { #expect(texts(rule["verbs"]) == ["get", "list", "watch"]) }
        #expect(writing.map { $0.map { texts($0["verbs"]) } } == [[["create", "patch"]], [["update"]]])
        #expect(writing.map { $0.map { texts($0["apiGroups"]) } } == [[[""]], [["policy.networking.k8s.io"]]])
        // One object alone, by its name.
        let own = try #require(try document("Role")["rules"]?.array)
        let settings = LocalNameSettings().configMap
        #expect(own.count == 1 && own.allSatisfy { texts($0["resources"]) == ["configmaps"] && texts($0["apiGroups"]) == [""] })
        #expect(
            own.allSatisfy { texts($0["verbs"]) == ["get", "list", "watch"] && texts($0["resourceNames"]) == [settings.name] })
        let single = collections.filter { $0.namespace != nil }
        #expect(single.map(\.resource.plural) == ["configmaps"] && single.map(\.namespace) == [settings.namespace])
        #expect(single.map(\.fieldSelector) == ["metadata.name=\(settings.name)"])
        #expect(AgentSettings(node: "n1", duties: [.overlay]).collections.map(\.resource.plural) == ["nodes"])
    }

    @Test("an agent that may not read the document it was told of says by which role it may, and another fault stays as it is")
    func documentElsewhere() throws {
        var settings = AgentSettings(node: "n1", duties: .all)
        func told(_ namespace: String, status: Int = 403, _ message: String = "listing: forbidden") -> String {
            var fault = SourceFault(origin: "/api/v1/namespaces/\(namespace)/configmaps", message: message)
            fault.status = status
            return settings.remarked(fault).message
        }
        #expect(told("kube-system").contains("; apply the Role tulle of deploy/tulle.yaml, by which the agent may read it"))
        settings.names.configMap.namespace = "names"
        settings.names.configMap.name = "corp"
        #expect(
            told("names").contains(
                "make a Role and a RoleBinding in the namespace names as in deploy/tulle.yaml, with resourceNames [corp]"))
        #expect(told("kube-system") == "listing: forbidden")
        #expect(told("names", status: 500, "listing: 403 things are down") == "listing: 403 things are down")
        settings.duties = [.pods]
        #expect(told("names") == "listing: forbidden")
        // The help says it before.
        let help = try Program.run([try Program.product("tulle"), "agent", "--help"])
        #expect(
            help.output.split(whereSeparator: \.isWhitespace).joined(separator: " ").contains("needs a Role and a RoleBinding"))
    }

    @Test("its objects belong together: account, role, binding and pods that select themselves")
    func together() throws {
        #expect(
            documents.compactMap { $0["kind"]?.string } == [
                "ServiceAccount", "ClusterRole", "Role", "RoleBinding", "ClusterRoleBinding", "DaemonSet",
            ])
        for document in documents {
            #expect(document[at: "metadata", "name"] == "tulle" && document["apiVersion"]?.string != nil)
            let namespace = document[at: "metadata", "namespace"]
            #expect(document["kind"]?.string?.hasPrefix("ClusterRole") == true ? namespace == nil : namespace == "kube-system")
        }
        for kind in ["Role", "ClusterRole"] {
            let binding = try document("\(kind)Binding")
            #expect(binding[at: "roleRef", "kind"] == .string(kind) && binding[at: "roleRef", "name"] == "tulle")
            let subject = try #require(binding["subjects"]?.array?.first)
            #expect(subject["kind"] == "ServiceAccount" && subject["name"] == "tulle" && subject["namespace"] == "kube-system")
        }
        let daemon = try document("DaemonSet")
        #expect(
            daemon[at: "spec", "selector", "matchLabels"] == daemon[at: "spec", "template", "metadata", "labels"])
        let (pod, container) = try agent()
        #expect(pod["serviceAccountName"] == "tulle" && pod["hostNetwork"] == true)
        let volumes = Dictionary(
            uniqueKeysWithValues: (pod["volumes"]?.array ?? []).compactMap { volume in volume["name"]?.string.map { ($0, volume) }
            })
        for mount in (pod["initContainers"]?.array ?? []).flatMap({ $0["volumeMounts"]?.array ?? [] })
            + (container["volumeMounts"]?.array ?? [])
        {
            #expect(volumes[mount["name"]?.string ?? ""] != nil, "\(mount)")
        }
        #expect(volumes["state"]?[at: "hostPath", "path"]?.string == AgentSettings(node: "n1").stateDirectory)
        #expect(container["volumeMounts"]?.array?.first?["mountPath"]?.string == AgentSettings(node: "n1").stateDirectory)
    }

    @Test("the agent understands its arguments, and its name comes from the node's")
    func arguments() throws {
        let (_, container) = try agent()
        #expect(texts(container["command"]) == ["/usr/local/bin/tulle"])
        let name = try #require(container["env"]?.array?.first)
        #expect(name["name"] == "NODE_NAME" && name[at: "valueFrom", "fieldRef", "fieldPath"] == "spec.nodeName")
        let directory = try TemporaryDirectory()
        // Here is no pod: what it says is that, and not that it does not know an option.
        let program = try Program([try Program.product("tulle")] + texts(container["args"]), log: "\(directory.path)/log")
        #expect(try program.finish().status == 64)
        #expect(directory.read("log").contains("nothing says where the objects are"))
    }

    @Test("the agent installs the plugin where its volumes lead to the node's own directories")
    func installation() throws {
        let (pod, container) = try agent()
        #expect(texts(container["args"]).contains("--install-cni"))
        let installation = PluginInstallation()
        for (name, path) in [("cni-bin", installation.binaries), ("cni-net", installation.configurations)] {
            let volume = pod["volumes"]?.array?.first { $0["name"]?.string == name }
            let mount = container["volumeMounts"]?.array?.first { $0["name"]?.string == name }
            #expect(volume?[at: "hostPath", "path"]?.string == path && mount?["mountPath"]?.string == path)
        }
    }

    @Test("the configuration that is installed is one that tulle-cni takes, and leads to the agent")
    func conflist() throws {
        let list = PluginInstallation().configuration
        let plugin = try #require(list["plugins"]?.array?.first)
        let settings = AgentSettings(node: "n1")
        #expect(plugin["agentSocket"]?.string == settings.socket && plugin["queueDirectory"]?.string == settings.queueDirectory)
        // As a runtime puts it together for one plugin.
        let version = try #require(list["cniVersion"]?.string)
        let outcome = try Program.run(
            [try Program.product("tulle-cni")], environment: ["CNI_COMMAND": "VERSION"], input: #"{"cniVersion":"\#(version)"}"#)
        #expect(outcome.status == 0 && outcome.output.contains("\"\(version)\""))
    }
}
