// Defines a linter rule for tests: `max-lines-per-function`, which ignores the callbacks of `describe`, because these callbacks
// contain many tests.
const MAX_LINES = 60;

const isDescribe = (node) => {
  if (node?.type === "CallExpression") return isDescribe(node.callee);
  if (node?.type === "MemberExpression") return isDescribe(node.object);
  return node?.type === "Identifier" && node.name === "describe";
};

const maxLinesPerFunction = {
  create(context) {
    const check = (node) => {
      const { parent, loc } = node;
      if (parent.type === "CallExpression" && parent.arguments.includes(node) && isDescribe(parent.callee)) return;
      const lines = loc.end.line - loc.start.line + 1;
      if (lines > MAX_LINES)
        context.report({ node, message: `The function has ${lines} lines, at most ${MAX_LINES}.` });
    };
    return { FunctionDeclaration: check, FunctionExpression: check, ArrowFunctionExpression: check };
  },
};

export default { meta: { name: "tests" }, rules: { "max-lines-per-function": maxLinesPerFunction } };
