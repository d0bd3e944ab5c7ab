import KubeAPI

extension Validation {
    /// The newer form asks for more than the older one, of those who create with it.
    static func newEvent(_ top: inout Checker) {
        top.require("eventTime")
        top.require("reportingController")
        top.require("reportingInstance")
        top.require("action")
        top.require("reason")
        top.word("type", ["Normal", "Warning"])
        if top.string("note").utf8.count > 1024 { top.report(.tooLong(top.path("note"), limit: 1024)) }
    }
}
