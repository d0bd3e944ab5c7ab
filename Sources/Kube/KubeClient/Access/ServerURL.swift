/// The address of a server, taken apart.
struct ServerURL: Hashable {
    var isSecure: Bool
    /// A name or an address; IPv6 without its brackets.
    var host: String
    var port: UInt16?
    /// Without a slash at its end: empty, or `/k8s/clusters/c-1`.
    var path: String

    /// Reads `https://192.0.2.1:6443`, `https://[2001:db8::1]:6443`, `https://example.org/k8s/c-1`; `nil` for what has no scheme, a
    /// user, a query or a fragment.
    init?(_ text: String) {
        guard let mark = text.range(of: "://") else { return nil }
        switch text[..<mark.lowerBound].lowercased() {
        case "https": isSecure = true
        case "http": isSecure = false
        default: return nil
        }
        let rest = text[mark.upperBound...]
        let authority = rest.prefix { $0 != "/" }
        guard !rest.contains(where: { "@?# \t\n".contains($0) }) else { return nil }
        var path = rest.dropFirst(authority.count)
        while path.last == "/" { path.removeLast() }
        self.path = String(path)
        var afterHost: Substring
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = String(authority[authority.index(after: authority.startIndex)..<end])
            afterHost = authority[authority.index(after: end)...]
            guard host.contains(":") else { return nil }
        } else {
            host = String(authority.prefix { $0 != ":" })
            afterHost = authority.dropFirst(host.count)
        }
        guard !host.isEmpty else { return nil }
        if afterHost.isEmpty { return }
        guard afterHost.removeFirst() == ":", let port = UInt16(afterHost), port > 0 else { return nil }
        self.port = port
    }

    private var bracketedHost: String { host.contains(":") ? "[\(host)]" : host }

    /// Host and port, as a request names them.
    var authority: String { bracketedHost + (port.map { ":\($0)" } ?? "") }

    var text: String { "\(isSecure ? "https" : "http")://\(authority)\(path)" }
}

extension String {
    /// Foundation has it, too; this module's public types stay without it.
    fileprivate func range(of text: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
