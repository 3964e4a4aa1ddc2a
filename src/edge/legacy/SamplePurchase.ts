/** What random purchases are of. */
export const sampleProducts = [
  "Laptop",
  "Phone",
  "Tablet",
  "Headphones",
  "Monitor",
  "Keyboard",
  "Desk",
  "Chair",
  "Lamp",
  "Backpack"
]
export const sampleProductTypes = ["Electronics", "Furniture", "Accessories", "Office", "Outdoor"]
