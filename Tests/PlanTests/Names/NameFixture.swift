import Addressing
import DNS
import KubeAPI
import Testing

@testable import Plan

/// An object out of its text; that it may break rules of the API is no matter here.
func object(_ text: String) throws -> any KubernetesObject {
    try #require(Registry.standard.read(try JSONReader().value(text)).object, "\(text)")
}

enum NameFixture {
    static func service(_ name: String, in namespace: String = "testns", _ spec: String) throws -> any KubernetesObject {
        try object(
            #"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "\#(name)", "namespace": "\#(namespace)"}, "spec": {\#(spec)}}"#
        )
    }

    /// - Parameter endpoints: `172.0.0.2`, `172.0.0.4=dup-name` with a hostname, `172.0.0.6!` one that is not ready.
    static func slice(
        _ name: String, of service: String, in namespace: String = "testns", _ endpoints: [String], ports: String = http
    ) throws -> any KubernetesObject {
        let type = endpoints.first?.contains(":") == true ? "IPv6" : "IPv4"
        let list = endpoints.map { text in
            let isReady = !text.hasSuffix("!")
            let parts = text.split(separator: "!")[0].split(separator: "=")
            let hostname = parts.count == 2 ? #", "hostname": "\#(parts[1])""# : ""
            return #"{"addresses": ["\#(parts[0])"], "conditions": {"ready": \#(isReady)}\#(hostname)}"#
        }
        return try object(
            #"""
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "\#(type)",
             "metadata": {"name": "\#(name)", "namespace": "\#(namespace)", "labels": {"kubernetes.io/service-name": "\#(service)"}},
             "endpoints": [\#(list.joined(separator: ", "))], "ports": [\#(ports)]}
            """#)
    }

    static func namespace(_ name: String) throws -> any KubernetesObject {
        try object(#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "\#(name)"}}"#)
    }

    static func pod(
        _ name: String, in namespace: String, at addresses: [String], phase: String = "Running", spec: String = ""
    ) throws -> any KubernetesObject {
        let list = addresses.map { #"{"ip": "\#($0)"}"# }.joined(separator: ", ")
        return try object(
            #"""
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\#(name)", "namespace": "\#(namespace)"},
             "spec": {\#(spec)}, "status": {"phase": "\#(phase)", "podIPs": [\#(list)]}}
            """#)
    }

    static let http = #"{"name": "http", "port": 80, "protocol": "TCP"}"#

    /// The objects that the questions of a cluster's DNS are asked about.
    static func objects() throws -> [any KubernetesObject] {
        let port = #""ports": [\#(http)]"#
        return [
            try service("kube-dns", in: "kube-system", #""clusterIPs": ["10.0.0.10", "10::a"]"#),
            try service("svc1", #""clusterIP": "10.0.0.1", \#(port)"#),
            try slice("svc1-a", of: "svc1", ["172.0.0.1"]),
            try service("svcempty", #""clusterIP": "10.0.0.4", \#(port)"#),
            try service("svc6", #""clusterIP": "1234:abcd::1", \#(port)"#),
            try service("dual", #""clusterIPs": ["10.0.0.3", "10::3"]"#),
            try service("hdls1", #""clusterIP": "None", \#(port)"#),
            try slice("hdls1-a", of: "hdls1", ["172.0.0.2", "172.0.0.4=dup-name", "172.0.0.9!"]),
            try slice("hdls1-b", of: "hdls1", ["172.0.0.3", "172.0.0.5=dup-name"]),
            try slice("hdls1-c", of: "hdls1", ["5678:abcd::1", "5678:abcd::2"]),
            try service("hdls0", #""clusterIP": "None", \#(port)"#),
            try slice("hdls0-a", of: "hdls0", ["172.0.0.8!"]),
            try service("external", #""type": "ExternalName", "externalName": "ext.interwebs.test""#),
            try service(
                "external-to-service", #""type": "ExternalName", "externalName": "svc1.testns.svc.cluster.local.""#),
            try namespace("testns"), try namespace("podns"),
            try pod("web", in: "podns", at: ["10.240.0.1", "fd00::1"]),
            try pod("gone", in: "podns", at: ["10.240.0.2"], phase: "Succeeded"),
        ]
    }

    static func named() throws -> NamedObjects { NamedObjects(try objects()) }
}

/// Asks zones, and gives what comes back as lines: the response code, then `=` answers, `~` authorities and `+` additionals.
struct NameAsker {
    var zones: Zones
    var circumstances = Circumstances()

    func lines(_ question: String, edns: EDNS? = nil) throws -> [String] {
        let words = question.split(separator: " ").map(String.init)
        let name = try #require(DomainName(words[0]))
        let query = Message.query(Question(name, try #require(RecordType(words[1]))), id: 1, edns: edns)
        var answering = Answering()
        let message = try Message(answering.answer(query.bytes(), from: zones, circumstances).1)
        return ["\(message.responseCode)"] + message.answers.map { "= \($0)" } + message.authorities.map { "~ \($0)" }
            + message.additionals.map { "+ \($0)" }
    }
}
