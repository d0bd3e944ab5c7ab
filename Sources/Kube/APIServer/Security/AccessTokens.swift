/// Who may come in: bearer tokens and the names of those who carry them.
///
/// There is no anonymous request, also not for `/version` or `/healthz`: without a token the answer is 401 and nothing else.
public struct AccessTokens: Sendable {
    private let entries: [(token: [UInt8], user: String)]

    /// - Parameter users: the user's name for each token. None: everybody comes in, and tokens are not looked at.
    public init(_ users: [String: String]) {
        entries = users.sorted { $0.key < $1.key }.map { (Array($0.key.utf8), $0.value) }
    }

    /// Whoever reaches the socket comes in.
    public static let open = AccessTokens([:])

    /// The user of an `Authorization` header; `nil` when it lets nobody in.
    ///
    /// Takes the same time whichever token it is like: every byte of every token is compared, so that nobody can find one out
    /// letter by letter. Only its length shows.
    func user(authorization header: String?) -> String? {
        if entries.isEmpty { return "system:anonymous" }
        guard let header, header.utf8.count > 7, header.prefix(7).lowercased() == "bearer " else { return nil }
        let given = Array(header.utf8.dropFirst(7))
        var user: String?
        for entry in entries where Self.areEqual(given, entry.token) { user = entry.user }
        return user
    }

    private static func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        var difference: UInt8 = 0
        for position in a.indices { difference |= a[position] ^ b[position] }
        return difference == 0
    }
}
