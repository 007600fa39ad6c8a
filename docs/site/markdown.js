/** What is read from a page of Markdown: its links and images, where they stand, and the anchors of its headings. */

import GithubSlugger from "github-slugger";
import { toString as plain } from "mdast-util-to-string";
import remarkGfm from "remark-gfm";
import remarkParse from "remark-parse";
import { unified } from "unified";
import { visit } from "unist-util-visit";

const parser = unified().use(remarkParse).use(remarkGfm);

/**
 * @typedef {object} Link
 * @property {string} url As written.
 * @property {boolean} isImage
 * @property {number} line
 * @property {[number, number]} span The whole link in the text.
 * @property {[number, number] | undefined} label What stands for it, of a link with text.
 */

/**
 * @param {string} text
 * @returns {{ links: Link[], anchors: Set<string> }}
 */
export function read(text) {
  const tree = parser.parse(text);
  const slugger = new GithubSlugger();
  const links = [];
  const anchors = new Set();
  visit(tree, node => {
    // The anchors are those that repository hosts give to headings, a number behind those that repeat.
    if (node.type === "heading") anchors.add(slugger.slug(plain(node)));
    if (node.type !== "link" && node.type !== "image" && node.type !== "definition") return;
    const children = node.type === "link" ? node.children : [];
    links.push({
      url: node.url,
      isImage: node.type === "image",
      line: node.position.start.line,
      span: [node.position.start.offset, node.position.end.offset],
      label: children.length
        ? [children[0].position.start.offset, children.at(-1).position.end.offset]
        : undefined,
    });
  });
  return { links, anchors };
}
