import Addressing
import CLinux
import DNS
import Glibc
import Netlink

/// Asks a name server from a namespace, one question a socket.
struct NameClient {
    let server: String
    var isStream = false
    let namespace: NetworkNamespace
    /// In seconds.
    var patience = 1

    /// What was answered; `nil` when nothing came in time.
    func ask(_ name: String, _ type: RecordType) -> DNS.Message? {
        ask(name, type, tries: 1)?.answer
    }

    /// Asks again from the same socket when nothing comes, as resolvers do.
    func ask(_ name: String, _ type: RecordType, tries: Int) -> (answer: DNS.Message, tries: Int)? {
        guard let address = IPAddress(server), let name = DomainName(name), let socket = open() else { return nil }
        guard Datagrams.with(address.mapped, 53, { connect(socket.rawValue, $0, $1) }) == 0 else { return nil }
        let query = DNS.Message.query(Question(name, type), id: 0x1234).bytes()
        let bytes = isStream ? [UInt8(query.count >> 8), UInt8(query.count & 0xFF)] + query : query
        for attempt in 1...tries {
            guard send(socket.rawValue, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { continue }
            var answer = [UInt8](repeating: 0, count: 4096)
            let count = recv(socket.rawValue, &answer, answer.count, 0)
            guard count > 0 else { continue }
            guard let message = try? DNS.Message(Array(answer[(isStream ? min(2, count) : 0)..<count])) else { return nil }
            return (message, attempt)
        }
        return nil
    }

    private func open() -> Descriptor? {
        let kind = Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard
            let socket = try? namespace.perform({ () throws(KernelError) in Descriptor(owning: Glibc.socket(AF_INET6, kind, 0)) })
        else { return nil }
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket.rawValue, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        return socket
    }

    /// What every server of the cluster's names knows; `nil` when nobody answered.
    var version: String? { ask("dns-version.cluster.local.", .txt)?.answers.first.map { "\($0.data)" } }

    /// The addresses of a name.
    func addresses(of name: String) -> [String]? { ask(name, .a)?.answers.map { "\($0.data)" } }
}

/// The objects that a cluster with a name server has.
enum NameObjects {
    static let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n"

    /// A node and its neighbour, where the cluster's own server is, and what else there is.
    static func cluster(_ parts: [String?]) -> String {
        ([TestNode.objects(1, 2), namespace] + endpoints + parts.compactMap(\.self)).joined(separator: "---\n")
    }

    static func service(_ name: String = "kube-dns", at addresses: [String] = ["10.96.0.10", "fd00:96::a"]) -> String {
        let families = addresses.map { $0.contains(":") ? "IPv6" : "IPv4" }
        let isHeadless = addresses.isEmpty
        return """
            apiVersion: v1
            kind: Service
            metadata: {name: \(name), namespace: kube-system}
            spec:
              clusterIP: \(isHeadless ? "None" : "\"\(addresses[0])\"")
              clusterIPs: [\((isHeadless ? ["None"] : addresses).map { "\"\($0)\"" }.joined(separator: ", "))]
              ipFamilies: [\((isHeadless ? ["IPv4"] : families).joined(separator: ", "))]
              ipFamilyPolicy: \(addresses.count > 1 ? "RequireDualStack" : "SingleStack")
              ports: [{name: dns, protocol: UDP, port: 53}, {name: dns-tcp, protocol: TCP, port: 53}]

            """
    }

    /// The cluster's own server is at the neighbour of a ``TestNode``, as its node's own address.
    static let endpoints = [("4", "IPv4", "192.0.2.2"), ("6", "IPv6", "2001:db8::2")].map { name, type, address in
        """
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: dns-\(name), namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
        addressType: \(type)
        endpoints: [{addresses: ["\(address)"], conditions: {ready: true}, nodeName: n2}]
        ports: [{name: dns, protocol: UDP, port: 53}, {name: dns-tcp, protocol: TCP, port: 53}]

        """
    }

    static func document(_ text: String = "{}") -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { "    \($0)" }.joined(separator: "\n")
        return """
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: kube-dns, namespace: kube-system}
            data:
              names.yaml: |
            \(lines)

            """
    }

    static func pod(_ name: String) -> String {
        "apiVersion: v1\nkind: Pod\nmetadata: {name: \(name), namespace: default, labels: {app: \(name)}}\n"
            + "spec: {nodeName: n1, containers: [{name: main, image: none}]}\n"
    }
}
