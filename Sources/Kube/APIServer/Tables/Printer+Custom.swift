import KubeAPI

extension Printer {
    /// The columns that a definition asks for; without any, the age.
    static func custom(_ custom: CustomKind) -> Printer {
        let columns = custom.printerColumns
        guard !columns.isEmpty else { return .plain }
        let definitions = columns.map {
            Table.Column($0.name, $0.type, format: $0.format, $0.description, priority: $0.priority)
        }
        return Printer(definitions) { object, now in columns.map { cell($0, object, now) } }
    }

    private static func cell(_ column: CustomKind.PrinterColumn, _ object: JSONValue, _ now: Timestamp) -> JSONValue {
        let found = column.path.values(in: object)
        guard let first = found.first, !first.isNull else { return .null }
        switch (column.type, first) {
        case ("date", .string): return .string(Age.text(since: first, now))
        case ("integer", .number(let number)): return number.integer.map { .number(JSONNumber($0)) } ?? .null
        case ("number", .number), ("boolean", .bool): return first
        case ("string", _):
            let texts = found.map { $0.string ?? $0.description }
            return .string(texts.joined(separator: ","))
        default: return .null
        }
    }
}
