import Netlink

/// What the agent says of itself, where kube-proxy says it.
extension AgentStage {
    /// How long its rounds took that compared the tables with the kernel, and how many there were: at its start the first one is all
    /// of planning and committing.
    ///
    /// - Returns: `nil` while there was none.
    static func wholeRounds(in namespace: NetworkNamespace) throws -> (seconds: Double, count: Int)? {
        let page = try page("/metrics", in: namespace)
        let name = "kubeproxy_sync_full_proxy_rules_duration_seconds"
        let family = #"{ip_family="IPv4"}"#
        guard let count = value("\(name)_count\(family)", in: page), count > 0,
            let sum = value("\(name)_sum\(family)", in: page)
        else {
            return nil
        }
        return (sum, Int(count))
    }

    private static func value(_ name: String, in page: String) -> Double? {
        page.split(separator: "\n").first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
    }

    /// A page of the agent's, from inside its namespace.
    private static func page(_ path: String, in namespace: NetworkNamespace) throws -> String {
        var client = try PlainConnection(namespace, port: 10249)
        defer { client.close() }
        try client.send("GET", path)
        let head = try client.head()
        let field = head.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
        let length = field?.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0
        return String(decoding: try client.take(length), as: UTF8.self)
    }
}
