internal import FoundationEssentials

/// The token that goes with requests. Kubelets renew the one of a service account when four fifths of its life are over, so a
/// minute's delay in seeing it is always early enough.
actor BearerToken {
    private static let period = Duration.seconds(60)

    private let source: ServerAccess.Token
    private let clock: any Clock<Duration>
    private var text: String?
    private var age: (() -> Duration)?

    init(_ source: ServerAccess.Token, clock: any Clock<Duration>) {
        self.source = source
        self.clock = clock
        if case .file(_, let fallback) = source { text = fallback }
    }

    func current() throws(ServerAccessError) -> String {
        guard case .file(let path, _) = source else { return fixed }
        if let age, let text, age() < Self.period { return text }
        do {
            return try read(path)
        } catch {
            // It may be in the middle of being replaced; the old one is good for a while yet.
            guard let text else { throw error }
            return text
        }
    }

    /// The server refused it. Whether there is another one to try.
    func refused() -> Bool {
        guard case .file(let path, _) = source else { return false }
        let before = text
        return (try? read(path)).map { $0 != before } ?? false
    }

    private var fixed: String { if case .fixed(let text) = source { text } else { "" } }

    private func read(_ path: String) throws(ServerAccessError) -> String {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw ServerAccessError(.unreadable, "reading the token \(path): \(FileFault.text(error))", cause: error)
        }
        let token = String(decoding: data, as: UTF8.self).filter { !$0.isWhitespace }
        guard !token.isEmpty else { throw ServerAccessError(.unreadable, "the token \(path) is empty") }
        (text, age) = (token, clock.stopwatch())
        return token
    }
}
