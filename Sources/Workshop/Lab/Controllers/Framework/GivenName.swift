import KubeAPI

/// Names that the controllers make up, in Kubernetes' form.
enum GivenName {
    /// No vowels and no digits that look like them: a random word is never a bad one, and nothing is mistaken.
    static let alphabet = Array("bcdfghjklmnpqrstvwxz2456789".utf8)

    /// `web-` → `web-x7k2p`, cut so that it stays a name.
    static func random(_ prefix: String, _ random: inout some RandomNumberGenerator) -> String {
        let letters = (0..<5).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
        return String(prefix.prefix(58)) + String(decoding: letters, as: UTF8.self)
    }

    /// The hash of a pod template as a label's value, such as `7d9c5b8f6d`: Kubernetes' form, not its number, which nobody
    /// may rely on.
    ///
    /// - Parameter collisions: how often a name made of this hash was taken by something else.
    static func hash(of template: JSONValue, collisions: Int?) -> String {
        var bytes = JSONWriter(sortsKeys: true).bytes(of: template.withoutNulls)
        if let collisions { bytes.append(contentsOf: String(collisions).utf8) }
        var hash: UInt32 = 2_166_136_261
        for byte in bytes { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return String(decoding: String(hash).utf8.map { alphabet[Int($0) % alphabet.count] }, as: UTF8.self)
    }
}
