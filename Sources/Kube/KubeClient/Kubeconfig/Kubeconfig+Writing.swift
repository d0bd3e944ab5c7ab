internal import KubeAPI

#if canImport(Glibc)
    internal import Glibc
#endif

extension Kubeconfig {
    /// The file's text, with everything secret in it; sorted, so that equal values have equal texts.
    public var text: String {
        var lines = ["apiVersion: v1", "kind: Config"]
        lines += Self.list("clusters", "cluster", clusters) { cluster in
            [("server", cluster.server)] + Self.material("certificate-authority", cluster.authority) + [
                ("insecure-skip-tls-verify", cluster.skipsVerification ? true : nil),
                ("tls-server-name", cluster.tlsServerName), ("proxy-url", cluster.proxyURL),
            ]
        }
        lines += Self.list("users", "user", users) { user in
            Self.material("client-certificate", user.certificate) + Self.material("client-key", user.key) + [
                ("token", user.token), ("tokenFile", user.tokenFile),
            ]
        }
        lines += Self.list("contexts", "context", contexts) { context in
            [("cluster", context.cluster), ("user", context.user), ("namespace", context.namespace)]
        }
        if let currentContext { lines.append("current-context: \(Self.scalar(currentContext))") }
        return lines.map { $0 + "\n" }.joined()
    }

    /// Writes the file so that nobody else can read it at any moment, and so that a reader finds the old or the new one whole.
    public func write(to path: String) throws(KubeconfigError) {
        let new = "\(path).new"
        func refused(_ step: String) -> KubeconfigError {
            let answer = errno
            unlink(new)
            return KubeconfigError(.unwritable, "kubeconfig \(path)", "\(step): \(String(cString: strerror(answer)))")
        }
        // What a broken earlier try left is in nobody's use. O_EXCL then makes sure that no link leads elsewhere.
        unlink(new)
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw refused("creating \(new)") }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = refused("writing")
                close(descriptor)
                throw error
            }
            rest = rest.dropFirst(count)
        }
        guard close(descriptor) == 0 else { throw refused("writing") }
        guard rename(new, path) == 0 else { throw refused("renaming \(new)") }
    }

    private static func list<Part>(
        _ field: String, _ inner: String, _ parts: [String: Part], _ fields: (Part) -> [(String, (any Sendable)?)]
    ) -> [String] {
        guard !parts.isEmpty else { return ["\(field): []"] }
        return ["\(field):"]
            + parts.sorted { $0.key < $1.key }.flatMap { name, part -> [String] in
                let members = fields(part).compactMap { key, value -> String? in
                    switch value {
                    case let text as String: "    \(key): \(scalar(text))"
                    case let flag as Bool: "    \(key): \(flag)"
                    default: nil
                    }
                }
                return ["- name: \(scalar(name))"] + (members.isEmpty ? ["  \(inner): {}"] : ["  \(inner):"] + members)
            }
    }

    private static func material(_ field: String, _ material: Material?) -> [(String, (any Sendable)?)] {
        switch material {
        case .data(let bytes): [("\(field)-data", Base64.text(of: bytes))]
        case .file(let path): [(field, path)]
        case nil: []
        }
    }

    /// A JSON string is a YAML one, and needs no rules for what may stand without quotes.
    private static func scalar(_ text: String) -> String { JSONValue.string(text).description }
}
