/** The products of random purchases. */
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
