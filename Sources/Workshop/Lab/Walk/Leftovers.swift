import Netlink

/// What is still alive in namespaces that should be empty.
///
/// The namespaces' descriptors must be open meanwhile: the number of one that is gone may soon be another's.
struct Leftovers {
    /// By what their namespace is called.
    private let names: [NetworkNamespace.Identity: String]

    init(_ holders: [Holder]) {
        names = Dictionary(holders.map { ($0.namespace.identity, $0.name) }) { first, _ in first }
    }

    /// `process 4711 (tulle) is still in the network of node-1`
    func processes() -> [String] {
        Files.names(in: "/proc").compactMap { entry in
            guard let identifier = Int32(entry) else { return nil }
            // A process that has ended, or is none of ours to look at, has no such file.
            guard let namespace = try? NetworkNamespace(path: "/proc/\(identifier)/ns/net"), let name = names[namespace.identity]
            else { return nil }
            let program = Files.text(of: "/proc/\(identifier)/comm")?.filter { $0 != "\n" } ?? "?"
            return "process \(identifier) (\(program)) is still in the network of \(name)"
        }
    }
}
