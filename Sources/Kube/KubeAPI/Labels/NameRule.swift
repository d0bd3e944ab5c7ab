/// The forms of names that Kubernetes allows, and its words for what breaks them.
public enum NameRule: Hashable, Sendable, CaseIterable {
    /// RFC 1123 label in lower case, up to 63 characters: namespaces, containers, host names.
    case dnsLabel
    /// RFC 1123 subdomain in lower case, up to 253 characters: most objects' names.
    case dnsSubdomain
    /// `prefix/name`, the prefix a subdomain and optional: keys of labels and annotations.
    case qualifiedName
    /// Empty or up to 63 characters of a qualified name's name part.
    case labelValue
    /// RFC 6335 service name, up to 15 characters.
    case portName
    /// Printable ASCII without `=`.
    case environmentName
    /// What can be an element of a path: names of roles, such as `system:node`.
    case pathSegment

    /// Everything that is wrong with the text; empty when it is right.
    public func faults(in text: String) -> [String] {
        switch self {
        case .dnsLabel: longer(text, than: 63) + (isDNSLabel(text.utf8) ? [] : [Wording.dnsLabel])
        case .dnsSubdomain: longer(text, than: 253) + (isDNSSubdomain(text) ? [] : [Wording.dnsSubdomain])
        case .qualifiedName: qualifiedNameFaults(text)
        case .labelValue: longer(text, than: 63) + (text.isEmpty || isNamePart(text.utf8) ? [] : [Wording.labelValue])
        case .portName: portNameFaults(text)
        case .environmentName: environmentNameFaults(text)
        case .pathSegment:
            text == "." || text == ".."
                ? ["may not be '\(text)'"]
                : ["/", "%"].filter(text.contains).map { "may not contain '\($0)'" }
        }
    }
}

extension NameRule {
    private func longer(_ text: String, than limit: Int) -> [String] {
        text.utf8.count > limit ? ["must be no more than \(limit) characters"] : []
    }

    private func qualifiedNameFaults(_ text: String) -> [String] {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        var faults: [String] = []
        switch parts.count {
        case 1: break
        case 2:
            if parts[0].isEmpty {
                faults.append("prefix part must be non-empty")
            } else {
                faults += NameRule.dnsSubdomain.faults(in: parts[0]).map { "prefix part \($0)" }
            }
        default: return [Wording.qualifiedName]
        }
        let name = parts[parts.count - 1]
        if name.isEmpty {
            faults.append("name part must be non-empty")
        } else {
            faults += longer(name, than: 63).map { "name part \($0)" }
        }
        return isNamePart(name.utf8) ? faults : faults + ["name part \(Wording.namePart)"]
    }

    private func portNameFaults(_ text: String) -> [String] {
        let letters = text.utf8.contains(where: isLowercase)
        var faults = longer(text, than: 15)
        if text.isEmpty || !text.utf8.allSatisfy({ isLowercase($0) || isDigit($0) || $0 == hyphen }) {
            faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
        }
        if !letters { faults.append("must contain at least one letter (a-z)") }
        if zip(text.utf8, text.utf8.dropFirst()).contains(where: { $0 == hyphen && $1 == hyphen }) {
            faults.append("must not contain consecutive hyphens")
        }
        if text.utf8.first == hyphen || text.utf8.last == hyphen { faults.append("must not begin or end with a hyphen") }
        return faults
    }

    private func environmentNameFaults(_ text: String) -> [String] {
        if text.isEmpty { return ["environment variable name must be non-empty"] }
        let isPlain = text.utf8.allSatisfy { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "=") }
        return isPlain ? [] : [Wording.environmentName]
    }
}

/// kube-apiserver's sentences (apimachinery's `pkg/util/validation`), which people paste into search engines.
private enum Wording {
    private static let label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    private static let part = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

    static let dnsLabel = """
        a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an \
        alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '\(label)')
        """
    static let dnsSubdomain = """
        a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end \
        with an alphanumeric character (e.g. 'example.com', regex used for validation is '\(label)(\\.\(label))*')
        """
    static let namePart = """
        must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
        (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '\(part)')
        """
    static let qualifiedName = """
        a qualified name \(namePart) with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')
        """
    static let labelValue = """
        a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end \
        with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(\(part))?')
        """
    static let environmentName =
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
}

private let hyphen = UInt8(ascii: "-")

private func isLowercase(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
private func isAlphanumeric(_ byte: UInt8) -> Bool { isDigit(byte) || isLowercase(byte | 0x20) && byte < 0x80 }

private func isDNSLabel(_ text: some Collection<UInt8>) -> Bool {
    guard let first = text.first, first != hyphen, text.reversed().first != hyphen else { return false }
    return text.allSatisfy { isLowercase($0) || isDigit($0) || $0 == hyphen }
}

private func isDNSSubdomain(_ text: String) -> Bool {
    text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy(isDNSLabel)
}

private func isNamePart(_ text: some BidirectionalCollection<UInt8>) -> Bool {
    guard let first = text.first, let last = text.last, isAlphanumeric(first), isAlphanumeric(last) else { return false }
    return text.allSatisfy { isAlphanumeric($0) || $0 == hyphen || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") }
}
