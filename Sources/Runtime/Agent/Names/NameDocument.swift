import Cluster
import Glibc
import KubeAPI
import NameServer

/// The document that says how names are served, as it stands in a ConfigMap: the same that the cluster's servers have mounted.
struct NameDocument: Hashable {
    /// The key under which it stands.
    static let key = "names.yaml"

    private let text: String
    /// What stands beside it, which the servers of the cluster find as files beside theirs.
    private let others: [String: String]

    /// `nil`: the ConfigMap has none.
    init?(_ map: ConfigMap) {
        guard let text = map.texts[Self.key] else { return nil }
        (self.text, others) = (text, map.texts)
    }

    /// - Throws: every mistake in it.
    func configuration() throws(NameServerConfigurationError) -> NameServerConfiguration {
        try NameServerConfiguration(text, file: Self.key) { [others] path in
            let name = path.split(separator: "/").last.map(String.init) ?? path
            if let text = others[name] { return .text(text) }
            return path.hasPrefix("/") ? FollowedFile.read(path) : .unreadable(ENOENT)
        }
    }
}
