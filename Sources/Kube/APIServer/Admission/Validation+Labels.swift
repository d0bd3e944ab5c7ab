import KubeAPI

extension Validation {
    /// A `metav1.LabelSelector` as it stands in a field; `nil` when absent or wrong, the faults reported.
    static func selector(_ field: String, in checker: inout Checker) -> LabelSelector? {
        var reader = FieldReader(.object(checker.object), at: checker.path)
        let selector = reader.selector(field)
        checker.report(reader.errors)
        return reader.errors.isEmpty ? selector : nil
    }

    /// A map of labels: keys and values, errors naming the map.
    static func labels(_ field: String, in checker: inout Checker) {
        let path = checker.path(field)
        for member in checker.object[field]?.object?.members ?? [] {
            checker.report(
                NameRule.qualifiedName.faults(in: member.key).map { .invalid(path, .string(member.key), $0) })
            let value = member.value.string ?? ""
            checker.report(NameRule.labelValue.faults(in: value).map { .invalid(path, .string(value), $0) })
        }
    }
}
