extension TypeTable {
    /// Reads the table's text. A slip in it is ours, so it is noticed at once: the tests read the whole table.
    init(text parts: [String]) {
        var types: [String: TypeDefinition] = [:]
        var names: [String] = []
        for part in parts {
            var package = ""
            var fields = ""
            func close() {
                guard let name = names.last, types[name]?.fields.isEmpty == true else { return }
                types[name]?.fields = fields.split(separator: ";").compactMap { FieldDefinition(text: $0) }
                fields = ""
            }
            for line in part.split(separator: "\n") {
                if line.first == " " {
                    fields += line
                    continue
                }
                close()
                if line.hasPrefix("package ") {
                    package = String(line.dropFirst("package ".count))
                } else {
                    names.append(String(line))
                    types[String(line)] = TypeDefinition(name: String(line), package: package, fields: [])
                }
            }
            close()
        }
        precondition(types.count == names.count, "a type is in the table twice")
        self.types = types
        self.names = names
    }
}

extension FieldDefinition {
    fileprivate init?(text: Substring) {
        let words = text.split(separator: " ")
        guard words.count >= 2 else { return nil }
        isRequired = words[0].last == "!"
        name = String(isRequired ? words[0].dropLast() : words[0])
        form = FieldForm(text: words[1])
        for word in words.dropFirst(2) { note(word) }
    }

    private mutating func note(_ word: Substring) {
        let argument = word.firstIndex(of: "(").map { word[word.index(after: $0)...].dropLast() }
        for part in word.prefix(while: { $0 != "(" }).split(separator: "+") {
            switch part {
            case "merge":
                merge.mergesLists = true
                merge.key = argument.map(String.init)
            case "retainKeys": merge.retainsKeys = true
            case "keys": listKind = .map(keys: argument?.split(separator: ",").map(String.init) ?? [])
            case "set": listKind = .set
            case "atomic": listKind = .atomic
            default: preconditionFailure("'\(part)' says nothing about a field")
            }
        }
    }
}

extension FieldForm {
    fileprivate init(text: Substring) {
        if text.first == "[" {
            self = .list(FieldForm(text: text.dropFirst().dropLast()))
        } else if text.first == "{" {
            self = .map(FieldForm(text: text.dropFirst().dropLast()))
        } else {
            self = Self.plain[text] ?? .structure(String(text))
        }
    }

    private static let plain: [Substring: FieldForm] = [
        "string": .string, "bytes": .bytes, "time": .time, "microTime": .microTime, "quantity": .quantity,
        "intOrString": .integerOrString, "int32": .integer32, "int64": .integer64, "double": .number, "bool": .boolean,
        "any": .any,
    ]
}
