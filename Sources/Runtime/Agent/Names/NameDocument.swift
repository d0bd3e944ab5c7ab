import Cluster
import Glibc
import KubeAPI
import NameServer

/// The document that says how names are served: a file, or a key of a ConfigMap, the same that the cluster's servers have mounted.
struct NameDocument: Hashable {
    /// The key under which it stands.
    static let key = "names.yaml"

    let text: String
    /// What it is called in what is said of its mistakes.
    private let name: String
    /// What stands beside it in the ConfigMap, which the servers of the cluster find as files beside theirs; `nil`: it is a file.
    private let others: [String: String]?

    /// `nil`: the ConfigMap has none.
    init?(_ map: ConfigMap) {
        guard let text = map.texts[Self.key] else { return nil }
        (self.text, name, others) = (text, Self.key, map.texts)
    }

    /// - Parameter path: where it stands.
    init(_ text: String, path: String) { (self.text, name, others) = (text, path, nil) }

    /// What stands in a file that it names.
    enum Named {
        /// In the same ConfigMap, or nowhere: it does not change as long as the document does not.
        case here(FollowedFile.Reading)
        /// In a file that others may replace.
        case inFile(NamedFile, FollowedFile.Reading)

        var reading: FollowedFile.Reading {
            switch self {
            case .here(let reading), .inFile(_, let reading): reading
            }
        }

        /// The same for the same content, wherever it stands.
        var fingerprint: UInt64 {
            switch self {
            case .here(let reading): reading.fingerprint
            case .inFile(let file, _): file.fingerprint
            }
        }

        static func inFile(_ path: String) -> Named {
            let (file, reading) = NamedFile.read(path)
            return .inFile(file, reading)
        }
    }

    /// - Parameter read: called with each file that it names.
    /// - Throws: every mistake in it.
    func configuration(_ read: (String, Named) -> Void) throws(NameServerConfigurationError) -> NameServerConfiguration {
        try NameServerConfiguration(
            text, file: name,
            readFile: { path in
                let named = self.named(path)
                read(path, named)
                return named.reading
            }, isShown: isBeside)
    }

    /// Whether a file is of those who write the document: in the same ConfigMap, or, where that is mounted, in the same directory. Of
    /// any other its words are nobody's to read in what is said of its mistakes.
    private func isBeside(_ path: String) -> Bool {
        if others != nil { return text(of: path) != nil }
        func directory(_ path: String) -> [Substring] {
            (path.hasPrefix("/") ? ["/"] : []) + path.split(separator: "/").dropLast().filter { $0 != "." }
        }
        return directory(path) == directory(name) && !directory(path).contains("..")
    }

    /// What is called so in the same ConfigMap.
    private func text(of path: String) -> String? { others?[path.split(separator: "/").last.map(String.init) ?? path] }

    private func named(_ path: String) -> Named {
        if let text = text(of: path) { return .here(.text(text)) }
        guard others != nil else { return .inFile(path) }
        return path.hasPrefix("/") ? .inFile(path) : .here(.unreadable(ENOENT))
    }
}

extension NameDocument {
    /// Keys of the name server that was before CoreDNS: its ConfigMap has the same name, and is none of ours.
    private static let othersKeys: Set = ["federations", "stubDomains", "upstreamNameservers"]

    /// The keys of a ConfigMap without a document; none when nobody can have meant one.
    static func strayKeys(_ map: ConfigMap) -> [String] {
        guard map.texts[key] == nil else { return [] }
        let bytes = map.binaries.keys.map { "\($0) (no text)" }
        return Set(map.texts.keys).union(bytes).subtracting(othersKeys).sorted()
    }
}
