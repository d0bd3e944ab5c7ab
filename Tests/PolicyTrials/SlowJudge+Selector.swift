extension SlowJudge {
    /// A label selector as the API's documentation has it; `nil` when it breaks a rule.
    struct Selector {
        private var requirements: [(key: String, word: String, values: [String])] = []

        init?(_ tree: Tree) {
            guard tree.map != nil, let labels = (tree["matchLabels"] ?? [:]).map else { return nil }
            guard let expressions = (tree["matchExpressions"] ?? []).list else { return nil }
            for (key, value) in labels {
                guard let value = value.text, Self.isKey(key), Self.isValue(value) else { return nil }
                requirements.append((key, "In", [value]))
            }
            for expression in expressions {
                guard let key = expression["key"]?.text, let word = expression["operator"]?.text,
                    let list = (expression["values"] ?? []).list
                else { return nil }
                let values = list.compactMap(\.text)
                guard Self.isKey(key), values.count == list.count, values.allSatisfy(Self.isValue) else { return nil }
                switch word {
                case "In", "NotIn": guard !values.isEmpty else { return nil }
                case "Exists", "DoesNotExist": guard values.isEmpty else { return nil }
                default: return nil
                }
                requirements.append((key, word, values))
            }
        }

        /// All must hold; without any it means everything.
        func means(_ labels: [String: String]) -> Bool {
            requirements.allSatisfy { key, word, values in
                let value = labels[key]
                return switch word {
                case "In": value != nil && values.contains(value ?? "")
                case "NotIn": value == nil || !values.contains(value ?? "")
                case "Exists": value != nil
                default: value == nil
                }
            }
        }

        /// `name` or `prefix/name`, the prefix a name of the DNS.
        private static func isKey(_ text: String) -> Bool {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard let name = parts.last, parts.count <= 2, !name.isEmpty, isValue(name) else { return false }
            guard parts.count == 2 else { return true }
            return !parts[0].isEmpty && parts[0].count <= 253
                && parts[0].allSatisfy { ("a"..."z").contains($0) || ("0"..."9").contains($0) || "-.".contains($0) }
        }

        /// Empty, or letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
        private static func isValue(_ text: String) -> Bool {
            func isPlain(_ character: Character) -> Bool { character.isASCII && (character.isLetter || character.isNumber) }
            guard let first = text.first, let last = text.last else { return true }
            return text.count <= 63 && isPlain(first) && isPlain(last) && text.allSatisfy { isPlain($0) || "-_.".contains($0) }
        }
    }
}
