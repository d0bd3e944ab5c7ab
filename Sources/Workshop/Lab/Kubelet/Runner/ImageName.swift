/// What may stand for an image in a pod: `registry.example.org:5000/team/app:1.2@sha256:…`, as container runtimes read it.
enum ImageName {
    /// What is wrong with a name, in a runtime's words; `nil` for nothing.
    static func fault(_ name: String) -> String? {
        let parts = name.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let format = "invalid reference format"
        guard let first = parts.first, !first.isEmpty else { return format }
        if parts.count == 2, !isDigest(parts[1]) { return format }
        var path = first
        // The tag's colon comes after the last slash.
        if let colon = first.lastIndex(of: ":"), !first[colon...].contains("/") {
            guard isTag(first[first.index(after: colon)...]) else { return format }
            path = first[..<colon]
        }
        var components = path.split(separator: "/", omittingEmptySubsequences: false)
        // A registry has a dot or a port, or is localhost.
        if components.count > 1, let host = components.first, host.contains(".") || host.contains(":") || host == "localhost" {
            guard isHost(host) else { return format }
            components.removeFirst()
        }
        if components.allSatisfy(isComponent) { return nil }
        let isCase = components.allSatisfy { isComponent($0.lowercased()[...]) }
        return isCase ? "\(format): repository name (\(components.joined(separator: "/"))) must be lowercase" : format
    }

    private static func isSmall(_ character: Character) -> Bool {
        character.isASCII && (character.isLowercase || character.isNumber)
    }

    private static func isWord(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber)
    }

    /// Small letters and digits, and between them a dot, one or two underscores, or hyphens.
    private static func isComponent(_ text: Substring) -> Bool {
        guard let first = text.first, let last = text.last, isSmall(first), isSmall(last) else { return false }
        let gaps = text.split(whereSeparator: isSmall)
        return gaps.allSatisfy { $0 == "." || $0 == "_" || $0 == "__" || $0.allSatisfy { $0 == "-" } }
    }

    private static func isTag(_ text: Substring) -> Bool {
        guard let first = text.first, text.utf8.count <= 128 else { return false }
        return (isWord(first) || first == "_") && text.allSatisfy { isWord($0) || "_.-".contains($0) }
    }

    private static func isDigest(_ text: Substring) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty && parts[1].utf8.count >= 32 && parts[1].allSatisfy { $0.isHexDigit }
    }

    private static func isHost(_ text: Substring) -> Bool {
        if text.first == "[" { return text.contains("]") }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.count == 1 || UInt16(parts[1]) != nil else { return false }
        return parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty && label.allSatisfy { isWord($0) || $0 == "-" } && label.first != "-" && label.last != "-"
        }
    }
}
