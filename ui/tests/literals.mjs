// Finds text that stands in the code instead of in the language files, and texts that nobody shows.
import { parseAst } from "vite";

/** Attributes that are seen or read out. */
const SAID = /^(aria-(label|description|placeholder|roledescription|valuetext)|title|placeholder|alt|label)$/;
/** Functions that take a text's id. */
const TAKES = ["t", "named", "has"];
const WORD = /\p{L}/u;

/** The words in a piece of TSX that a person would see, each as it is written. */
export function literals(code) {
  const found = [];
  walk(parseAst(code, { lang: "tsx" }), (node) => {
    if (node.type === "JSXText" && WORD.test(node.value)) found.push(node.value.trim());
    if (node.type === "JSXAttribute" && SAID.test(node.name.name)) found.push(...shown(node.value));
    if (node.type === "JSXElement" || node.type === "JSXFragment") {
      found.push(...node.children.filter((it) => it.type === "JSXExpressionContainer").flatMap(shown));
    }
  });
  return found;
}

/** The ids of texts that a piece of TSX names: whole ones, and the beginnings of those that it puts together. */
export function ids(code) {
  const [whole, begun] = [[], []];
  walk(parseAst(code, { lang: "tsx" }), (node) => {
    if (node.type !== "CallExpression" || !TAKES.includes(node.callee.name)) return;
    for (const it of values(node.arguments[0])) {
      if (it.type === "Literal") whole.push(it.value);
      if (it.type === "TemplateLiteral") begun.push(it.quasis[0].value.cooked);
    }
  });
  return { whole, begun };
}

/** What an expression that is shown says itself, as far as it is written there. */
function shown(expression) {
  return values(expression).flatMap((it) => {
    const said = it.type === "TemplateLiteral" ? it.quasis.map((part) => part.value.cooked).join("") : it.value;
    return typeof said === "string" && WORD.test(said) ? said : [];
  });
}

/** The values that an expression may have, where they are written in it. */
function values(it) {
  switch (it?.type) {
    case "JSXExpressionContainer":
    case "ParenthesizedExpression":
    case "TSAsExpression":
      return values(it.expression);
    case "ConditionalExpression":
      return [...values(it.consequent), ...values(it.alternate)];
    case "LogicalExpression":
      return [...(it.operator === "&&" ? [] : values(it.left)), ...values(it.right)];
    case "BinaryExpression":
      return [...values(it.left), ...values(it.right)];
    case "Literal":
    case "TemplateLiteral":
      return [it];
    default:
      return [];
  }
}

function walk(node, visit) {
  if (Array.isArray(node)) return node.forEach((it) => walk(it, visit));
  if (node === null || typeof node !== "object") return;
  if (typeof node.type === "string") visit(node);
  Object.values(node).forEach((it) => walk(it, visit));
}
