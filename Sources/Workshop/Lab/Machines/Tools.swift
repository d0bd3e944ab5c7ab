import Glibc

/// Tulle's own programs, which lie beside each other.
struct Tools: Sendable {
    var tulle: String
    var plugin: String
    var pod: String
    /// Where they are.
    let directory: String

    /// - Parameter directory: where they are.
    init(directory: String) throws(LabError) {
        func find(_ name: String) throws(LabError) -> String {
            let path = "\(directory)/\(name)"
            guard access(path, X_OK) == 0 else {
                throw LabError(
                    .programMissing, "there is no \(name) beside tulle in \(directory)",
                    remedy: "build it: swift build --product \(name), or use scripts/lab")
            }
            return path
        }
        self.directory = directory
        tulle = try find("tulle")
        plugin = try find("tulle-cni")
        pod = try find("tulle-pod")
    }
}
