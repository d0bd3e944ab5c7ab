import KubeAPI

extension Printer {
    static let role = definition

    static let roleBinding = Printer([
        Table.Column("Role"), .age, .wide("Users"), .wide("Groups"), .wide("ServiceAccounts"),
    ]) { object, now in
        let role = object["roleRef"]?.object ?? [:]
        func subjects(_ kind: String) -> JSONValue {
            let all = object["subjects"]?.objects.filter { $0.string("kind") == kind } ?? []
            let names = all.map { [$0.string("namespace"), $0.string("name")].filter { !$0.isEmpty }.joined(separator: "/") }
            return .string(names.joined(separator: ", "))
        }
        return [
            .string("\(role.string("kind"))/\(role.string("name"))"), .string(object.age(now)), subjects("User"),
            subjects("Group"), subjects("ServiceAccount"),
        ]
    }
}
